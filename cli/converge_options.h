// The flags of `halfscope converge`.
#pragma once

#include "cli/profile_options.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::cli {

struct ConvergeOptions {
    ProfileOptions training;
    int seeds = 5;
    std::optional<std::int64_t> evaluate_every;
    std::string metric = "loss";
    std::optional<double> margin, target;
    std::string csv, html, tensorboard;
    std::vector<std::string> plots, others;
};

/// Declares every flag once: parsing and help both come from here.
void add_converge_options(CLI::App &command, ConvergeOptions &options);

/// Checks what CLI11 cannot, and completes the training options; the reference recipe comes first, whether it was named
/// or not. Throws std::invalid_argument with one sentence naming the flag.
void settle(ConvergeOptions &options);

} // namespace halfscope::cli
