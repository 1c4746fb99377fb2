// Which weights a run trains.
#pragma once

#include "emulation/model/graph.h"

#include <span>
#include <string>
#include <vector>

namespace halfscope::train {

/// graph.weights without those whose name matches a pattern (ECMAScript, searched). Throws std::invalid_argument with
/// one sentence when a pattern matches no initialiser, naming the nearest, or when nothing is left.
[[nodiscard]] std::vector<model::ValueId> trained_weights(const model::Graph &graph,
                                                          std::span<const std::string> freeze);

} // namespace halfscope::train
