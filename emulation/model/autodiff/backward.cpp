#include "emulation/model/autodiff/rules.h"

#include <fmt/format.h>

namespace halfscope::model::autodiff {

ValueId Backward::emit(ops::Operation operation, std::vector<ValueId> operands, std::optional<ops::DType> dtype,
                       std::optional<ops::Shape> shape) {
    Graph &graph = tape_.graph;
    operation.rounding = node_.operation.rounding;
    std::string name = node_.name + ".backward";
    if (const int copy = ++tape_.backward_names[name]; copy > 1) name += fmt::format("_{}", copy);
    const ValueId first = graph.add_node(std::move(operation), std::move(operands), name, node_.policy, dtype, shape);
    Node &node = graph.nodes.back();
    node.phase = Phase::backward;
    node.differentiates = id_;
    for (ValueId output : node.outputs) {
        Value &value = graph.value(output);
        value.layer = graph.value(node_.outputs.front()).layer;
        value.role = ops::is_floating(value.dtype) ? Role::gradient : Role::saved;
    }
    return first;
}

ValueId Backward::scalar(double value, ValueId like) {
    const ops::DType type = dtype(like) == ops::DType::fp64 ? ops::DType::fp64 : ops::DType::fp32;
    const auto [found, added] = tape_.scalars.try_emplace({value, type}, none);
    if (added) found->second = tape_.graph.add_scalar(value, type);
    return found->second;
}

ValueId Backward::sum_to_shape(ValueId gradient, ValueId target) {
    const ops::Shape from = shape(gradient), to = shape(target);
    if (from == to) return gradient;
    ops::Reduction reduction;
    const int offset = from.rank() - to.rank();
    for (int axis = 0; axis < from.rank(); ++axis) {
        if (axis < offset || (to[axis - offset] == 1 && from[axis] != 1)) reduction.axes.push_back(axis);
    }
    ValueId sum = gradient;
    if (!reduction.axes.empty()) sum = emit({ops::OpKind::reduce_sum, reduction, {}}, {gradient}, dtype(target));
    return shape(sum) == to ? sum : emit({ops::OpKind::reshape, {}, {}}, {sum}, {}, to);
}

void Backward::give(std::size_t index, ValueId gradient) {
    if (!wants(index)) return;
    const ValueId target = operand(index);
    gradient = sum_to_shape(gradient, target);
    if (dtype(gradient) != dtype(target)) gradient = emit({ops::OpKind::cast, {}, {}}, {gradient}, dtype(target));
    auto &parts = tape_.parts[static_cast<std::size_t>(target)];
    ValueId &total = tape_.gradient[static_cast<std::size_t>(target)];
    parts.push_back(gradient);
    total = total == none ? gradient : emit({ops::OpKind::add, {}, {}}, {total, gradient}, dtype(target));
}

void Backward::give_node(std::size_t index, ops::Operation operation, std::vector<ValueId> operands) {
    if (!wants(index)) return;
    const bool broadcast = shape(operand(index)) != shape(output());
    give(index, emit(std::move(operation), std::move(operands), dtype(broadcast ? dy() : operand(index))));
}

} // namespace halfscope::model::autodiff
