// A recipe as the lines a PyTorch user would write (torch >= 2, on a GPU).
#pragma once

#include "emulation/model/graph.h"
#include "emulation/train/recipe/recipe.h"
#include "emulation/train/training_settings.h"

#include <span>
#include <string>
#include <vector>

namespace halfscope::cli {

/// The set-up and the training loop of the recipe with `fp32_layers` kept in fp32; `model`, `loader` and `loss_of` are
/// the user's. Layers with weights are taken for modules; others are operations, for which the line is shown that their
/// forward code needs. Valid Python.
[[nodiscard]] std::vector<std::string> pytorch_lines(const train::Recipe &recipe,
                                                     const train::TrainingSettings &settings, const model::Graph &graph,
                                                     std::span<const std::string> fp32_layers);

} // namespace halfscope::cli
