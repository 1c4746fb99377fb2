// How a run trains, apart from the recipe: optimizer, schedule, clipping, accumulation.
#pragma once

#include "emulation/data/sample_order.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::train {

enum class OptimizerKind : std::uint8_t { sgd, adam, adamw };
[[nodiscard]] std::string_view name_of(OptimizerKind kind);
/// "sgd", "adam", "adamw"; throws std::invalid_argument naming them.
[[nodiscard]] OptimizerKind optimizer_named(std::string_view name);

struct OptimizerSettings {
    OptimizerKind kind = OptimizerKind::sgd;
    double learning_rate = 0.1;
    double momentum = 0, dampening = 0;
    bool nesterov = false;
    double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    double weight_decay = 0;
    bool round_hyperparameters = false; ///< lr, betas, eps rounded to the state's format (frameworks that keep them so)
};

struct TrainingSettings {
    OptimizerSettings optimizer;
    std::int64_t steps = 100;
    std::int64_t warmup = 0;  ///< linear, from 1/warmup of the learning rate
    bool cosine = false;      ///< falls to 0 at the last step, after the warm-up
    double clip_norm = 0;     ///< largest L2 norm of all gradients together; 0: no clipping
    bool clip_scaled = false; ///< clips before unscaling: a mistake, to show what it does
    int micro_batches = 1;    ///< gradients of so many batches are added up on each rank before each step
    int ranks = 1;            ///< emulated processes whose gradients are averaged: each takes batches of its own
    double ema_decay = 0;     ///< an average of the weights a = a + (1 - ema_decay) (w - a) is kept; 0: none
    std::uint64_t seed = 0;   ///< dropout, stochastic rounding, order of samples
    data::Order order = data::Order::shuffled;
    std::vector<std::string> freeze; ///< ECMAScript, searched in weights' names: kept as they are
    std::int64_t trace_every = 1;    ///< statistics of every tensor are taken in every k-th step; 0: never

    /// Taken in one step, rank by rank.
    [[nodiscard]] int batches_per_step() const { return micro_batches * ranks; }
};

/// Of 0-based `step`.
[[nodiscard]] double learning_rate_at(const TrainingSettings &settings, std::int64_t step);

} // namespace halfscope::train
