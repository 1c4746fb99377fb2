// The main job: the fp32 twin, its siblings, then every recipe, trained on the same data and written to one trace.
#pragma once

#include "emulation/data/dataset.h"
#include "emulation/data/sample_order.h"
#include "emulation/model/graph.h"
#include "emulation/train/recipe/recipe.h"
#include "trace/io/writer.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::train {

/// What the user asked for. An empty optional is a choice left to HalfScope: choose_settings makes it, with a note.
struct ProfileSettings {
    std::vector<std::string> recipes; ///< names; "fp32" alone runs the twin alone
    std::vector<Recipe> own_recipes;  ///< from --config
    std::optional<std::int64_t> steps;
    std::optional<std::string> optimizer; ///< "sgd", "adam", "adamw"
    std::optional<double> learning_rate, momentum, beta1, beta2, epsilon, weight_decay;
    std::optional<double> clip_norm;       ///< largest L2 norm of the gradients
    bool clip_before_unscale = false;      ///< the mistake, on request
    std::optional<std::string> loss_scale; ///< overrides every recipe's own rule
    std::optional<ops::Accumulation> accumulation;
    std::optional<std::int64_t> warmup_steps;   ///< linear learning-rate warm-up
    bool cosine = false;                        ///< decay to zero over the run
    std::int64_t micro_batches = 1;             ///< gradients of so many batches are added up before a step
    bool accumulate_in_gradient_format = false; ///< in the recipe's gradient format instead of fp32
    std::uint64_t seed = 0;
    int threads = 0;
    bool shuffled = true;            ///< else file order
    std::vector<std::string> freeze; ///< regexes of weight names
    std::int64_t trace_every = 1;    ///< statistics of every tensor each so many steps
    int siblings = 1;                ///< fp32 runs with other seeds, for the spread
};

/// Where a profile stands, for a progress bar.
struct Progress {
    std::string run; ///< "fp32", "fp32 (seed 1)", "fp16-amp"
    int index = 1, runs = 1;
    std::int64_t step = 0; ///< finished steps; 0 when the run begins
    std::int64_t steps = 0;
    double loss = 0;
};
using ProgressCallback = std::function<void(const Progress &)>;

/// The same model with weights drawn from another seed; what a zoo model can do and a file can't. Empty: the sibling
/// differs in data order alone.
using Reinitialize = std::function<model::Graph(std::uint64_t seed)>;

/// Fills every empty optional with what suits the model (optimizer, learning rate, steps); one sentence per choice goes
/// to `notes`.
void choose_settings(const model::Graph &forward, ProfileSettings &settings, std::vector<std::string> &notes);

/// Trains. `forward` has its loss attached (model/loss_attachment.h) and is not differentiated; `session` is completed
/// (settings, parameters, notes) and written first. A recipe that can't be lowered or a setting that can't be honoured
/// throws std::invalid_argument before any training. `stop`, when it becomes true, ends the profile after the current
/// step; everything finished is in the trace.
void profile(const model::Graph &forward, const data::Dataset &dataset, const ProfileSettings &settings,
             trace::Session session, trace::Writer &writer, const ProgressCallback &progress = {},
             const Reinitialize &reinitialize = {}, const std::atomic<bool> *stop = nullptr);

} // namespace halfscope::train
