// What the user said about training, and what is done about the rest.
#pragma once

#include "emulation/model/graph.h"
#include "emulation/train/recipe/kept_formats.h"
#include "emulation/train/training_settings.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::train {

/// Command line and configuration file; empty where nothing was said.
struct TrainingOptions {
    std::optional<OptimizerKind> optimizer;
    std::optional<double> learning_rate, momentum, dampening, beta1, beta2, epsilon, weight_decay, clip_norm, ema_decay;
    std::optional<bool> nesterov, cosine, clip_scaled;
    std::optional<bool> round_hyperparameters; ///< betas, eps, rate in the format of the optimizer's state
    std::optional<std::int64_t> steps, batch, warmup, micro_batches, ranks, trace_every;
    std::optional<std::uint64_t> seed;
    std::optional<data::Order> order;
    std::vector<std::string> freeze;
    std::optional<int> threads;
    std::optional<std::string> loss_scale; ///< for every 16-bit recipe
    KeptFormats kept;                      ///< for every 16-bit recipe
    std::optional<std::string> accumulate; ///< accumulation model of matrix products
    std::vector<std::string> recipes;      ///< names
    /// Takes what `other` says where this says nothing (the command line before the file).
    void complete_with(const TrainingOptions &other);
};

inline constexpr std::int64_t default_steps = 100;

/// Effective settings. Defaults follow the model: Adam at 1e-3 for models with attention or layer norms (3e-4 from ten
/// million parameters on); SGD at 0.05 with momentum 0.9 with batch norm, else at 0.01 with momentum 0.9; with a
/// default learning rate a tenth of the steps is warm-up. `notes` gets a
/// sentence on what was chosen. Throws std::invalid_argument with one sentence when a value is out of range.
[[nodiscard]] TrainingSettings resolved(const TrainingOptions &options, const model::Graph &forward,
                                        std::vector<std::string> &notes);

/// Every setting by its name on the command line, for the trace.
[[nodiscard]] std::map<std::string, std::string> described(const TrainingSettings &settings);

} // namespace halfscope::train
