// What a training step of a recipe holds in memory and multiplies, counted from its graph: the gain that a reader
// weighs against the risk.
#pragma once

#include "emulation/model/graph.h"
#include "emulation/train/run/optimizer.h"
#include "emulation/train/run/weight_average.h"
#include "trace/schema/records.h"

#include <cstdint>

namespace halfscope::train {

/// Multiply-adds of one node: batches * m * n * k of a matrix product; of a convolution and of either of its gradients,
/// output elements of the forward pass times input channels a group times kernel elements. 0 of anything else.
[[nodiscard]] std::int64_t multiply_adds(const model::Graph &graph, const model::Node &node);

/// `graph` is lowered and differentiated; `average` is null where none is kept. Definitions are at trace::StepCost.
[[nodiscard]] trace::StepCost step_cost(const model::Graph &graph, const Optimizer &optimizer,
                                        const WeightAverage *average = nullptr);

} // namespace halfscope::train
