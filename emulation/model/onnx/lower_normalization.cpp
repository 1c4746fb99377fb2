// Batch, instance, layer and group normalisation.
#include "emulation/model/onnx/lowering.h"

#include <fmt/format.h>

#include <string>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using ops::Shape;

double epsilon_of(const NodeContext &node) { return node.node.number("epsilon", static_cast<double>(1e-5f)); }

/// PyTorch's momentum is 1 minus ONNX's. The file holds an fp32 number; its shortest decimal is what the user wrote.
double momentum_of(const NodeContext &node) {
    const auto stated = static_cast<float>(node.node.number("momentum", static_cast<double>(0.9f)));
    return 1 - std::stod(fmt::format("{}", stated));
}

/// Training is stated by training_mode since opset 14, and by further outputs before.
void batch_norm(NodeContext &node) {
    if (node.opset < 9 && node.node.integer("spatial", 1) == 0) throw Unsupported("attribute spatial = 0");
    bool trains = node.node.integer("training_mode", 0) != 0;
    if (node.opset < 14)
        for (std::size_t i = 1; i < node.node.outputs.size(); ++i) trains = trains || node.node.has_output(i);
    if (!trains && node.options.infer_training) {
        trains = true;
        node.notes.about(node.origin.name, "The file leaves batch normalisation in inference mode; it trains here, "
                                           "with the file's momentum:");
    }
    ops::Normalization norm;
    norm.epsilon = epsilon_of(node);
    norm.momentum = momentum_of(node);
    const std::vector<ValueId> operands{node.in(0), node.in(1), node.in(2), node.in(3), node.in(4)};
    if (!trains) return node.bind(0, node.emit({OpKind::batch_norm_inference, norm, {}}, operands));
    const auto all = node.emit_all({OpKind::batch_norm_training, norm, {}}, operands);
    node.bind(0, all[0]);
    node.bind(1, all[3]);
    node.bind(2, all[4]);
    node.bind(3, all[1]);
}

void instance_norm(NodeContext &node) {
    const ValueId x = node.in(0);
    if (node.rank(x) < 3) throw std::runtime_error("its operand has no spatial axes");
    ops::Normalization norm;
    norm.epsilon = epsilon_of(node);
    norm.groups = node.shape(x)[1];
    node.bind(0, node.emit({OpKind::group_norm, norm, {}}, {x, node.in(1), node.in(2)}, {"instance_norm"}));
}

void group_norm(NodeContext &node) {
    const ValueId x = node.in(0);
    ops::Normalization norm;
    norm.epsilon = epsilon_of(node);
    norm.groups = node.node.integer("num_groups", 0);
    if (node.rank(x) < 2 || norm.groups < 1 || norm.groups > node.shape(x)[1] || node.shape(x)[1] % norm.groups != 0)
        throw std::runtime_error("its groups do not divide its channels");
    const std::int64_t channels = node.shape(x)[1];
    // One scale per group before opset 21, one per channel since.
    const auto per_channel = [&](ValueId scale) {
        if (node.shape(scale) == Shape{channels}) return scale;
        const Shape spread{norm.groups, channels / norm.groups};
        return node.reshape(node.expand(node.reshape(scale, Shape{norm.groups, 1}), spread), Shape{channels});
    };
    const ValueId scale = per_channel(node.in(1)), bias = per_channel(node.in(2));
    node.bind(0, node.emit({OpKind::group_norm, norm, {}}, {x, scale, bias}));
}

void layer_norm(NodeContext &node) {
    const ValueId x = node.in(0);
    ops::Normalization norm;
    norm.epsilon = epsilon_of(node);
    norm.axis = NodeContext::axis(node.node.integer("axis", -1), node.rank(x));
    Shape part, kept;
    for (int i = 0; i < node.rank(x); ++i) {
        if (i >= norm.axis) part.append(node.shape(x)[i]);
        kept.append(i >= norm.axis ? 1 : node.shape(x)[i]);
    }
    std::vector<ValueId> operands{x};
    for (std::size_t i = 1; i <= 2; ++i)
        if (node.has(i)) operands.push_back(node.expand(node.in(i), part));
    const auto all = node.emit_all({OpKind::layer_norm, norm, {}}, operands);
    node.bind(0, all[0]);
    for (std::size_t i = 1; i <= 2; ++i)
        if (node.node.has_output(i)) node.bind(i, node.reshape(all[i], kept));
}

void lp_normalization(NodeContext &node) {
    const ValueId x = node.in(0);
    const int axis = NodeContext::axis(node.node.integer("axis", -1), node.rank(x));
    const std::int64_t p = node.node.integer("p", 2);
    const ops::Reduction along{{axis}, true};
    ValueId size = none;
    if (p == 2) {
        size = node.emit({OpKind::reduce_sum_squares, along, {}}, {x}, {"norm"});
        size = node.emit({OpKind::square_root, {}, {}}, {size}, {"norm"});
    } else if (p == 1) {
        size = node.emit({OpKind::absolute, {}, {}}, {x}, {"norm"});
        size = node.emit({OpKind::reduce_sum, along, {}}, {size}, {"norm"});
    } else {
        throw Unsupported(fmt::format("attribute p = {}", p));
    }
    node.bind(0, node.emit({OpKind::divide, {}, {}}, {x, size}));
}

} // namespace

void add_normalization_rules(RuleTable &table) {
    table["BatchNormalization"] = batch_norm;
    table["InstanceNormalization"] = instance_norm;
    table["GroupNormalization"] = group_norm;
    table["LayerNormalization"] = layer_norm;
    table["LpNormalization"] = lp_normalization;
}

} // namespace halfscope::model::importing
