// The flags of `halfscope profile`, and what they say about model, data and training.
#pragma once

#include "cli/command.h"
#include "emulation/train/profile.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::cli {

struct ProfileOptions {
    std::string model;
    std::string data, loss, recipes, config, out = "out", betas;
    std::optional<std::int64_t> batch;
    std::vector<std::string> dimensions; ///< "NAME=SIZE"
    std::string accumulate, device = "cpu", order = "shuffled";
    bool json = false;
    train::ProfileSettings training;
};

/// Declares every flag once: parsing and help both come from here.
void add_profile_options(CLI::App &command, ProfileOptions &options);

/// Checks what CLI11 cannot (betas, device, accumulation, recipe list) and completes options.training. Throws
/// std::invalid_argument with one sentence naming the flag.
void settle(ProfileOptions &options);

} // namespace halfscope::cli
