// Values drawn in the forward pass: the reparametrisation of a VAE, noise of a gate, stochastic depth. A seed attribute
// is passed over: what is drawn follows from the run's seed, so that the twin draws the same.
#include "emulation/model/onnx/lowering.h"

namespace halfscope::model::importing {
namespace {

using ops::DType;
using ops::OpKind;

/// Lends its shape; values of PyTorch's `randn(shape)` are fp32 whatever surrounds them, as a constant is.
ValueId blank(NodeContext &node) {
    return node.expand(node.scalar_constant(0), checked_shape(node.node.integers("shape"), "its shape"));
}

/// What `_like` forms take shape and type from; exporters write the type that a model was traced in, which a recipe
/// decides anew.
ValueId model_of(NodeContext &node) {
    const ValueId x = node.in(0);
    return node.floating(x) ? x : node.cast(x, DType::fp32);
}

template <ValueId (*shape_of)(NodeContext &)> void normal(NodeContext &node) {
    const ops::Scalars scalars{node.node.number("mean", 0), node.node.number("scale", 1)};
    node.bind(0, node.emit({OpKind::random_normal, scalars, {}}, {shape_of(node)}));
}

template <ValueId (*shape_of)(NodeContext &)> void uniform(NodeContext &node) {
    const ops::Scalars scalars{node.node.number("low", 0), node.node.number("high", 1)};
    node.bind(0, node.emit({OpKind::random_uniform, scalars, {}}, {shape_of(node)}));
}

/// 1 with the probability that the operand states, else 0.
void bernoulli(NodeContext &node) {
    const ValueId probability = model_of(node);
    const ValueId drawn = node.emit({OpKind::random_uniform, ops::Scalars{0, 1}, {}}, {probability}, {"bernoulli"});
    const ValueId hit = node.emit({OpKind::less, {}, {}}, {drawn, probability}, {"bernoulli"});
    node.bind(0, node.cast(hit, node.dtype(node.in(0))));
}

} // namespace

void add_random_rules(RuleTable &table) {
    table["RandomNormal"] = normal<blank>;
    table["RandomNormalLike"] = normal<model_of>;
    table["RandomUniform"] = uniform<blank>;
    table["RandomUniformLike"] = uniform<model_of>;
    table["Bernoulli"] = bernoulli;
}

} // namespace halfscope::model::importing
