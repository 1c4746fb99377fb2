// What a graph with its loss asks of a data set.
#pragma once

#include "emulation/data/dataset.h"
#include "emulation/model/graph.h"

namespace halfscope::train {

/// One slot per graph input, in their order. The batch is the first axis of the first input. Limits of int64 inputs
/// come from the tables they index and the classes they are compared with; an input that ends in a classification loss
/// is a target even where the graph does not say so. An input whose size is no multiple of the batch is filled as a
/// whole; throws std::invalid_argument when a target is one.
[[nodiscard]] data::Demand demand_of(const model::Graph &graph);

} // namespace halfscope::train
