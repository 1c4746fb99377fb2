// What a graph asks of a data set.
#pragma once

#include "emulation/data/dataset.h"
#include "emulation/model/graph.h"

namespace halfscope::train {

/// One slot per graph input, in order, with the ranges that integers must keep to: rows of the embedding an input looks
/// up, classes of the scores a target is compared with. `graph` has its loss attached; batch is the first axis of its
/// first input (1 when that has none).
[[nodiscard]] data::Demand demand_of(const model::Graph &graph);

} // namespace halfscope::train
