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
/// class has the largest score. Batch norms use their running statistics and dropout is off. "averaged_loss" and
/// "averaged_accuracy" are the same with the average of the weights in their place, where one is kept. "exact_loss" and
/// "exact_averaged_loss" are what comes out with running statistics, and with an average, that were kept in fp32 beside
/// those in 16 bits. With fewer held-out samples than a batch: empty, unless there are running statistics or an average
/// to judge; then of training samples, with "training_" before each name.
[[nodiscard]] std::vector<trace::Evaluation> evaluate(TrainingRun &run, const data::Dataset &dataset, std::int64_t step,
                                                      const std::atomic<bool> *stop = nullptr);

} // namespace halfscope::train
