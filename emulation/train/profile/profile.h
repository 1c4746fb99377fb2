// Trains a model under several recipes beside its fp32 twin and writes everything to a trace.
#pragma once

#include "emulation/data/dataset.h"
#include "emulation/model/graph.h"
#include "emulation/ops/backend.h"
#include "emulation/train/recipe/kept_formats.h"
#include "emulation/train/training_settings.h"

#include "trace/io/writer.h"

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::train {

struct ProfileSettings {
    std::vector<Recipe> recipes; ///< "fp32" among them is left out: the reference always runs
    TrainingSettings training;
    std::optional<std::string> loss_scale; ///< rule for every recipe but fp32, in place of the recipes' own
    /// Accumulation of products with 16-bit operands, in place of the recipes' own.
    std::optional<ops::Accumulation> accumulation;
    KeptFormats kept;      ///< the same for what a step keeps adding to
    bool reference = true; ///< false: neither the fp32 reference nor its siblings run; another trace has them
    int siblings = 1;      ///< further fp32 runs with other seeds, for the spread that has nothing to do with precision
    bool fidelity = true;
    bool evaluation = true;
    /// The forward graph with its loss, initialised from another seed; siblings start there. Empty: they start from the
    /// same weights and differ in the order of samples only.
    std::function<model::Graph(std::uint64_t seed)> reinitialised;
    const std::atomic<bool> *stop = nullptr; ///< set (by a signal handler, say): ends after the step under way
};

/// `run` is the recipe's name, or "fp32 seed 1" for a sibling; `step` counts finished ones.
using ProgressCallback =
    std::function<void(const std::string &run, std::int64_t step, std::int64_t steps, double loss)>;

/// Runs the fp32 reference and its siblings (unless settings.reference is false), then every recipe; returns false when
/// it was stopped before the end. Runs that are not finished stay readable but are not marked complete. `forward` has
/// its loss and is not differentiated; `dataset` was opened for demand_of(forward). Throws std::invalid_argument with
/// one sentence when a recipe does not fit the model (a pattern that matches nothing), before anything is run.
bool profile(const model::Graph &forward, const data::Dataset &dataset, const ProfileSettings &settings,
             ops::Backend &backend, trace::Writer &writer, const ProgressCallback &progress = {});

/// Steps whose update is compared with the fp32 one: 0, 1, 2, 4, 8, ... and every sixth, of short runs at least sixteen
/// and of long ones about 64.
[[nodiscard]] bool is_fidelity_step(std::int64_t step, std::int64_t steps);

} // namespace halfscope::train
