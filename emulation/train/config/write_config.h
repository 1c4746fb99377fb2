// Recipes and training settings as the TOML that config.h reads.
#pragma once

#include "emulation/train/profile/training_options.h"
#include "emulation/train/recipe/recipe.h"

#include <span>
#include <string>
#include <string_view>

namespace halfscope::train {

/// "[recipes.NAME]" and its layers: the built-in recipe nearest to it as `base` (its own, when that is about as
/// near), and every key in which it differs from that one. parse_config() of it gives the same recipe.
[[nodiscard]] std::string recipe_as_toml(const Recipe &recipe);

/// "[train]" with every setting that was given, but for the number of threads. parse_config() of it gives the same.
[[nodiscard]] std::string training_as_toml(const TrainingOptions &options);

/// A TOML string: in single quotes, so that regular expressions stay readable, where the text allows it.
[[nodiscard]] std::string toml_string(std::string_view text);

/// The keys that recipe_as_toml() and training_as_toml() know, for a test that none is forgotten.
[[nodiscard]] std::span<const std::string_view> written_recipe_keys();
[[nodiscard]] std::span<const std::string_view> written_training_keys();

} // namespace halfscope::train
