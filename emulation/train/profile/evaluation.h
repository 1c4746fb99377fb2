// How good a trained model is on samples it did not see.
#pragma once

#include "emulation/data/dataset.h"
#include "emulation/train/run/training_run.h"

#include <atomic>
#include <vector>

namespace halfscope::train {

/// At most so many held-out samples are looked at, so that evaluation stays short beside training.
inline constexpr std::int64_t most_evaluated_samples = 1024;

/// "loss" (mean over whole batches), and "accuracy" when the loss is a classification: share of counted targets whose
/// class has the largest score. Batch norms use their running statistics and dropout is off. Empty when there are fewer
/// held-out samples than a batch.
[[nodiscard]] std::vector<trace::Evaluation> evaluate(TrainingRun &run, const data::Dataset &dataset, std::int64_t step,
                                                      const std::atomic<bool> *stop = nullptr);

} // namespace halfscope::train
