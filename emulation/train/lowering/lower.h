// Puts a recipe's formats into a forward graph: storage types of values, and the casts autocast would make.
#pragma once

#include "emulation/model/graph.h"
#include "emulation/train/recipe/recipe.h"

namespace halfscope::train {

/// `forward` has its loss and is not differentiated. Values keep their ids; casts are new values and nodes. int64,
/// boolean and fp64 values are left alone; one-element constants are never cast and never promote.
///
/// autocast: by the recipe's lists. Operands of 16-bit operations are cast node by node, as PyTorch does; a weight's
///   cast is made once and shared (PyTorch's cache), with role weight and the weight's layer. Operations of the fp32
///   list take fp32 copies of their operands and give fp32. Promoting ones take the widest type. Others run in the
///   types of their operands.
/// o2: weights, floating buffers and constants are stored in 16 bits, but for weights and running statistics of norm
///   layers; inputs are cast on entry; norm layers take and give 16 bits; a loss put on the model's outputs is computed
///   in fp32 with fp32 targets, one inside the graph in 16 bits.
/// pure: as o2 with no exceptions; targets and loss are 16-bit too. Statistics that norms save for the backward pass
///   stay fp32, as in PyTorch's kernels.
/// In o2 and pure, matrix products cast wider operands down; other operations take the widest type of their operands.
/// Layer overrides come last and win.
///
/// Running statistics of batch norms are stored as the recipe says, but for layers that are overridden.
///
/// Products whose operands are all 16-bit accumulate as the recipe says, and their gradients with them; all others, the
/// fp32 run among them, are fma chains.
///
/// Throws std::invalid_argument when an override matches no layer (naming the nearest one), the recipe contradicts
/// itself, or a product's format is not one its accumulation takes.
[[nodiscard]] model::Graph lower(const model::Graph &forward, const Recipe &recipe);

/// Converts a floating tensor between storage types, to nearest even.
[[nodiscard]] ops::HostTensor converted(const ops::HostTensor &tensor, ops::DType dtype);

/// The forward graph for evaluation: batch norm takes its running statistics, dropout passes its input, and buffers are
/// not updated. `lowered` is a result of lower().
[[nodiscard]] model::Graph inference_form(const model::Graph &lowered);

} // namespace halfscope::train
