#include "emulation/model/graph.h"

#include "emulation/model/shape_inference.h"

#include "emulation/number/round_array.h"
#include <array>
#include <stdexcept>

namespace halfscope::model {
namespace {

/// A scalar in the storage type asked for. Only the types that hold any double exactly or by one rounding: a 16-bit
/// constant is a cast of an fp32 one, which the recipe can see.
ops::HostTensor scalar_tensor(double value, ops::DType dtype) {
    ops::HostTensor tensor(dtype, ops::Shape{});
    switch (dtype) {
    case ops::DType::fp32: tensor.as<float>()[0] = static_cast<float>(value); break;
    case ops::DType::fp64: tensor.as<double>()[0] = value; break;
    case ops::DType::int64: tensor.as<std::int64_t>()[0] = static_cast<std::int64_t>(value); break;
    case ops::DType::boolean: tensor.as<std::uint8_t>()[0] = value != 0; break;
    case ops::DType::fp16:
    case ops::DType::bf16:
        tensor.as<std::uint16_t>()[0] = number::round_to_16bit(static_cast<float>(value), ops::format_id(dtype));
        break;
    }
    return tensor;
}

} // namespace

std::string_view name_of(Role role) {
    constexpr std::array<std::string_view, 11> names{"input",           "target",     "weight",         "buffer",
                                                     "constant",        "activation", "loss",           "gradient",
                                                     "weight_gradient", "saved",      "optimizer_state"};
    return names[static_cast<std::size_t>(role)];
}

std::string Graph::unique_name(std::string wanted) {
    if (wanted.empty()) wanted = "value";
    if (!by_name_.contains(wanted)) return wanted;
    int &copy = copies_.try_emplace(wanted, 1).first->second;
    std::string candidate;
    do candidate = wanted + "_" + std::to_string(++copy);
    while (by_name_.contains(candidate));
    return candidate;
}

ValueId Graph::add_value(Value value) {
    const auto id = static_cast<ValueId>(values.size());
    value.name = unique_name(std::move(value.name));
    by_name_.emplace(value.name, id);
    values.push_back(std::move(value));
    return id;
}

ValueId Graph::add_input(std::string input_name, ops::DType dtype, const ops::Shape &shape, Role role) {
    Value input;
    input.layer = input_name;
    input.name = std::move(input_name);
    input.dtype = dtype;
    input.shape = shape;
    input.role = role;
    const ValueId id = add_value(std::move(input));
    inputs.push_back(id);
    return id;
}

ValueId Graph::add_weight(std::string weight_name, std::string layer, ops::HostTensor data) {
    Value weight;
    weight.name = std::move(weight_name);
    weight.layer = std::move(layer);
    weight.dtype = data.dtype;
    weight.shape = data.shape;
    weight.role = Role::weight;
    weight.data = std::move(data);
    const ValueId id = add_value(std::move(weight));
    weights.push_back(id);
    return id;
}

ValueId Graph::add_buffer(std::string buffer_name, std::string layer, ops::HostTensor data) {
    Value buffer;
    buffer.name = std::move(buffer_name);
    buffer.layer = std::move(layer);
    buffer.dtype = data.dtype;
    buffer.shape = data.shape;
    buffer.role = Role::buffer;
    buffer.data = std::move(data);
    const ValueId id = add_value(std::move(buffer));
    buffers.push_back(id);
    return id;
}

ValueId Graph::add_constant(ops::HostTensor data, std::string constant_name) {
    Value constant;
    constant.name = constant_name.empty() ? "constant" : std::move(constant_name);
    constant.dtype = data.dtype;
    constant.shape = data.shape;
    constant.role = Role::constant;
    constant.data = std::move(data);
    return add_value(std::move(constant));
}

ValueId Graph::add_scalar(double scalar, ops::DType dtype) { return add_constant(scalar_tensor(scalar, dtype)); }

ValueId Graph::add_node(ops::Operation operation, std::vector<ValueId> operands, std::string node_name,
                        std::string policy, std::optional<ops::DType> output_dtype,
                        std::optional<ops::Shape> output_shape) {
    if (node_name.empty()) node_name = ops::name_of(operation.kind);
    std::vector<Operand> facts;
    for (ValueId id : operands) {
        if (id < 0 || static_cast<std::size_t>(id) >= values.size())
            throw std::invalid_argument("node '" + node_name + "': an operand does not exist");
        const Value &operand = value(id);
        facts.push_back(
            {operand.dtype, operand.shape, operand.role == Role::constant && operand.shape.elements() == 1});
    }
    complete_attributes(operation, node_name, facts);
    const std::vector<Result> results = infer_results({operation, node_name, facts, output_dtype, output_shape});

    const auto id = static_cast<NodeId>(nodes.size());
    Node node{std::move(operation), node_name, std::move(policy), std::move(operands), {}};
    for (const Result &result : results) {
        Value output;
        output.name = result.suffix.empty() ? node_name : node_name + "." + std::string(result.suffix);
        output.layer = node_name;
        output.dtype = result.dtype;
        output.shape = result.shape;
        output.role = result.saved ? Role::saved : Role::activation;
        output.producer = id;
        node.outputs.push_back(add_value(std::move(output)));
    }
    if (node.operation.kind == ops::OpKind::batch_norm_training)
        for (std::size_t statistic : {std::size_t{3}, std::size_t{4}})
            if (Value &buffer = value(node.inputs[statistic]); buffer.role == Role::buffer)
                buffer.updated_by = node.outputs[statistic];
    const ValueId first = node.outputs.front();
    nodes.push_back(std::move(node));
    return first;
}

void Graph::rename(ValueId id, std::string new_name) {
    if (value(id).name == new_name) return;
    if (const auto found = by_name_.find(value(id).name); found != by_name_.end() && found->second == id)
        by_name_.erase(found);
    value(id).name = unique_name(std::move(new_name));
    by_name_.emplace(value(id).name, id);
}

ValueId Graph::find(std::string_view wanted) const {
    const auto found = by_name_.find(std::string(wanted));
    if (found != by_name_.end() && value(found->second).name == wanted) return found->second;
    for (std::size_t i = 0; i < values.size(); ++i)
        if (values[i].name == wanted) return static_cast<ValueId>(i);
    return none;
}

} // namespace halfscope::model
