// A fixed recipe as a file for --config, and the command that runs it.
#pragma once

#include "cli/fix/change.h"
#include "cli/profile_options.h"
#include "emulation/train/recipe/recipe.h"

#include <filesystem>
#include <span>
#include <string>

namespace halfscope::cli {

/// The recipe under its own name and the training settings that were given, with the changes that are theirs:
/// `halfscope profile MODEL --config FILE` makes the same run again, and the command that was typed with `--config
/// FILE` runs the fixed recipe. `comment` opens the file; it may have several lines.
[[nodiscard]] std::string overlay_of(const train::Recipe &fixed, std::span<const Change> changes,
                                     const ProfileOptions &options, const std::string &comment);

/// The command with everything that a configuration file cannot say: model, data, loss, axes, extra seeds.
[[nodiscard]] std::string overlay_command(const ProfileOptions &options, const std::filesystem::path &overlay);

/// OUT/fix-RECIPE.toml; characters of the name that a file name should not have become '_'.
[[nodiscard]] std::filesystem::path overlay_file(const ProfileOptions &options, const std::string &recipe);

} // namespace halfscope::cli
