// Reverse-mode differentiation: backward nodes appended to the same graph, so that gradients have names, layers and
// roles and are traced like forward values.
#pragma once

#include "emulation/model/graph.h"

#include <span>

namespace halfscope::model {

/// Appends the nodes that compute d(loss * loss_scale) / d(weight) for every trained weight.
///
/// Rounding points are those of PyTorch's autograd: a value's gradient is stored in the value's own type; an operand
/// that was broadcast gets the sum over its copies; where a value is used several times, the contributions are added
/// one by one in the order they arise (last use first), each sum rounded to the value's type. Each rule in
/// autodiff/*_rules.cpp says how its derivative is composed.
///
/// The seed is graph.loss_scale, an fp32 scalar input added here, cast (node "<loss>.seed") to the loss's type: S =
/// 65536 becomes inf in an fp16 loss, as there. Values that no trained weight reaches get no gradient; where nothing
/// flows, weight_gradients has `none`. Backward nodes are named "<forward node>.backward" (made unique among nodes),
/// carry the forward node's policy, output rounding and accumulation; gradients are named "<value>.grad", the parts of
/// a sum "<value>.grad.1", ".2", ...; values on the way inside a rule have Role::gradient, the layer of the forward
/// node, and no gradient_of.
///
/// Throws std::invalid_argument when there is no scalar floating loss, when it was differentiated before, when no
/// trained weight reaches the loss, or, naming all such nodes at once, when an operation has no derivative here.
void differentiate(Graph &graph, std::span<const ValueId> trained);

/// With respect to graph.weights.
void differentiate(Graph &graph);

} // namespace halfscope::model
