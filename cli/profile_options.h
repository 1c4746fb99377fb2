// The flags of the commands that train, and what they say about model, data and training.
#pragma once

#include "cli/command.h"
#include "emulation/train/config/config.h"
#include "emulation/train/profile/training_options.h"
#include "emulation/train/recipe/recipe.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::cli {

struct ProfileOptions {
    std::string model;
    std::string data, loss, recipes, config, out = "out", betas, optimizer, order;
    std::string gradients, all_reduce, all_reduce_order, ema, step_counter, running_statistics;
    std::vector<std::string> dimensions; ///< "NAME=SIZE"
    std::string device = "cpu";
    bool lockstep = false; ///< the emulator runs beside the device, and bits are compared
    int siblings = 1;
    bool json = false, cosine = false, clip_scaled = false, nesterov = false, round_hyperparameters = false;
    train::TrainingOptions training; ///< completed by settle()
    train::Config file;              ///< what --config holds
};

/// Declares every flag that says what is trained and how, once: parsing and help of every training command come from
/// here.
void add_training_options(CLI::App &command, ProfileOptions &options);
/// Those, and what only `halfscope profile` takes.
void add_profile_options(CLI::App &command, ProfileOptions &options);

/// Checks what CLI11 cannot (betas, device, accumulation, recipe list) and completes options.training, with --config
/// where the command line says nothing. Throws std::invalid_argument with one sentence naming the flag.
void settle(ProfileOptions &options);

} // namespace halfscope::cli
