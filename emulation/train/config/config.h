// The --config file: recipes of one's own, layer overrides, training settings. TOML:
//
//   [train]                       # same names as the command line's options
//   steps = 200
//   optimizer = "adamw"
//   lr = 3e-4
//   loss-scale = "megatron:interval=500"
//   recipes = ["fp16-amp", "mine"]
//
//   [recipes.mine]                # starts as a copy of `base`
//   base = "fp16-amp"
//   accumulation = "hopper"
//   [[recipes.mine.layers]]
//   match = "blocks\\.3\\."        # ECMAScript, searched in layer names
//   format = "fp32"
//
//   [recipes.fp16-amp]            # a built-in name changes that recipe
//   flush-subnormals = true
//
//   [[layers]]                    # for every recipe but fp32
//   match = "lm_head"
//   format = "fp32"
#pragma once

#include "emulation/train/profile/training_options.h"
#include "emulation/train/recipe/recipe.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::train {

struct Config {
    TrainingOptions training;
    std::vector<Recipe> recipes; ///< those the file defines or changes; for recipe_named()
    std::vector<LayerOverride> layers;
};

/// Keys of [train]: recipes, steps, batch, optimizer, lr, momentum, dampening, nesterov, betas, eps, weight-decay,
/// clip-norm, clip-before-unscaling, round-hyperparameters (lr, betas and eps in the format of the optimizer's state),
/// loss-scale, accumulate, accumulated-batches, ranks, ema-decay, warmup, cosine, seed, threads, order, freeze,
/// trace-every, and, for every 16-bit recipe, gradients, all-reduce, all-reduce-order, ema, step-counter,
/// running-statistics. Keys of a recipe: base, description, policy, compute, autocast, weights, master-weights, state,
/// gradients, all-reduce, all-reduce-order, ema, step-counter, running-statistics, accumulation, loss-scale, update,
/// flush-subnormals, layers. Throws std::invalid_argument with one
/// sentence naming `where`, the line and the nearest valid name: not TOML, an unknown key, a value of the wrong type, a
/// recipe that contradicts itself.
[[nodiscard]] Config parse_config(std::string_view text, const std::string &where);
[[nodiscard]] Config read_config(const std::filesystem::path &file);

/// The recipe of this name, from the file or built in, with the file's general layer overrides.
[[nodiscard]] Recipe configured_recipe(const Config &config, std::string_view name);

} // namespace halfscope::train
