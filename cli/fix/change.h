// A change of a recipe, or of the training settings beside it: what the search for a fix tries, adds up and leaves out.
#pragma once

#include "emulation/train/recipe/recipe.h"
#include "emulation/train/training_settings.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::cli {

enum class ChangeKind : std::uint8_t {
    recipe,          ///< another recipe altogether; `value`: its name
    loss_scale,      ///< `value`: the rule
    layer,           ///< one layer in fp32; `value`: its name
    clipping,        ///< gradients are clipped after they are unscaled, not before
    epsilon,         ///< Adam's eps; `value`: the number
    hyperparameters, ///< betas, eps and learning rate are not rounded to the format of the state
    state,           ///< optimizer state in fp32, beside master weights that the recipe has
    masters,         ///< fp32 master weights, and the optimizer's state with them, as every framework has it
    norms,           ///< norm layers' weights and an attached loss in fp32 (policy pure becomes o2)
    gradients,       ///< what micro-batches and ranks are added up in, in fp32
    average,         ///< the average of the weights in fp32
    step_counter,    ///< Adam's step counter in fp32
    statistics,      ///< batch norms' running statistics in fp32
    accumulation,    ///< matrix products accumulate in fp32
};

struct Change {
    ChangeKind kind = ChangeKind::layer;
    std::string value{}; ///< empty where the kind says everything
    friend bool operator==(const Change &, const Change &) = default;
    friend auto operator<=>(const Change &, const Change &) = default; // NOLINT(modernize-use-nullptr): clang-tidy 14
};

/// The recipe with the changes made; its name stays, its description tells what was changed. `own` are the recipes of
/// the configuration file. The result is one that train::check() accepts.
[[nodiscard]] train::Recipe changed(const train::Recipe &recipe, std::span<const Change> changes,
                                    std::span<const train::Recipe> own = {});

/// The training settings with those of the changes made that are theirs.
[[nodiscard]] train::TrainingSettings changed(const train::TrainingSettings &settings, std::span<const Change> changes);

/// What the settings themselves may be to blame for under this recipe: clipping before unscaling, an eps that the
/// optimizer's state cannot hold, rounded hyperparameters. They cost nothing.
[[nodiscard]] std::vector<Change> setting_changes(const train::TrainingSettings &settings, const train::Recipe &recipe);

/// Changes of the recipe's parts that are left to make, the cheapest in memory first, and of these those that matter to
/// such a training: one batch a step is not added up, and SGD counts no steps.
[[nodiscard]] std::vector<Change> part_changes(const train::Recipe &recipe, const train::TrainingSettings &training);

/// Recipes to turn to when no change of this one helps: the same format with less in it, then the other format.
[[nodiscard]] std::vector<Change> other_recipes(const train::Recipe &recipe);

/// "loss scale static:1024", "`blocks.3.fc` in fp32", "fp32 master weights and optimizer state".
[[nodiscard]] std::string in_words(const Change &change);
/// The same of several, joined: "a, b and c".
[[nodiscard]] std::string in_words(std::span<const Change> changes);

/// The ECMAScript pattern that matches this layer and no other: "^blocks\.3\.fc$".
[[nodiscard]] std::string pattern_of_layer(std::string_view layer);

} // namespace halfscope::cli
