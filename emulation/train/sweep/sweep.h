// Trains several recipes over several seeds, runs side by side, and keeps what it has when it is stopped.
#pragma once

#include "emulation/data/dataset.h"
#include "emulation/model/graph.h"
#include "emulation/train/recipe/recipe.h"
#include "emulation/train/training_settings.h"

#include "trace/io/sweep_store.h"

#include <atomic>
#include <functional>
#include <string>
#include <vector>

namespace halfscope::train {

struct SweepSettings {
    std::vector<Recipe> recipes; ///< as they are to run: loss-scale rule and accumulation in place
    TrainingSettings training;   ///< the first seed; trace_every is not used
    int seeds = 5;               ///< training.seed, training.seed + 1, ...
    /// Held-out quality is measured after every so many steps, and after the last.
    std::int64_t evaluate_every = 50;
    /// The forward graph with its loss, initialised from another seed. Empty: every run starts from the same weights,
    /// and seeds differ in the order of samples, dropout and stochastic rounding.
    std::function<model::Graph(std::uint64_t seed)> reinitialised;
    int threads = 0;                         ///< runs side by side, one thread each; 0: as many as there are cores
    const std::atomic<bool> *stop = nullptr; ///< set (by a signal handler, say): ends after the steps under way
};

/// After every step of every run, one call at a time: steps of the whole sweep that are done (those of earlier calls of
/// the program included), and of how many; the run's name and its loss.
using SweepProgress =
    std::function<void(std::int64_t finished, std::int64_t planned, const std::string &run, double loss)>;

/// Seconds of training after which a run that goes on leaves a checkpoint.
inline constexpr double checkpoint_seconds = 20;
/// State above this is not written during the run (a large model would spend its time writing), only at a stop.
inline constexpr std::size_t largest_frequent_checkpoint = std::size_t{256} << 20;
/// SQLite holds no blob of 1 GB: above this a run cut short begins anew.
inline constexpr std::size_t largest_checkpoint = 900'000'000;

/// Trains what the store does not have yet, and returns every run, recipe by recipe in the order given, seeds in
/// ascending order within each; empty when it was stopped before the end. What a run records depends on the recipe, the
/// seed and the settings only: not on threads, on the runs beside it, or on how often it was interrupted. `forward` has
/// its loss and is not differentiated; `dataset` was opened for demand_of(forward). Throws std::invalid_argument with
/// one sentence, before anything is run, when a recipe does not fit the model or when seeds would change nothing.
[[nodiscard]] std::vector<trace::SweepRun> sweep(const model::Graph &forward, const data::Dataset &dataset,
                                                 const SweepSettings &settings, trace::SweepStore &store,
                                                 const SweepProgress &progress = {});

/// Throws as sweep() does, and does nothing else.
void check_sweep(const model::Graph &forward, const SweepSettings &settings);

} // namespace halfscope::train
