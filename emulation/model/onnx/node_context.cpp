#include "emulation/model/onnx/lowering.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace halfscope::model::importing {

ValueId NodeContext::in(std::size_t index) const {
    if (!has(index)) throw std::runtime_error(fmt::format("its operand {} is missing", index));
    return operands[index];
}

std::vector<std::int64_t> NodeContext::integers(std::size_t index, std::string_view what) const {
    const ops::HostTensor *data = draft.constant(in(index));
    if (!data)
        throw std::runtime_error(
            fmt::format("{} depends on values that are only known when the model runs; shapes must be static", what));
    if (data->dtype != ops::DType::int64) throw std::runtime_error(fmt::format("{} must be integers", what));
    const auto values = data->as<std::int64_t>();
    return {values.begin(), values.end()};
}

double NodeContext::number(std::size_t index, std::string_view what) const {
    const ops::HostTensor *data = draft.constant(in(index));
    if (!data || data->shape.elements() != 1) throw Unsupported(fmt::format("{} must be a single known number", what));
    switch (data->dtype) {
    case ops::DType::fp32: return static_cast<double>(data->as<float>()[0]);
    case ops::DType::int64: return static_cast<double>(data->as<std::int64_t>()[0]);
    default: return data->as<std::uint8_t>()[0];
    }
}

std::vector<std::int64_t> NodeContext::attribute_or_operand(std::string_view name, std::size_t index) const {
    if (node.attributes.contains(name)) return node.integers(name);
    return has(index) ? integers(index, fmt::format("'{}'", name)) : std::vector<std::int64_t>{};
}

int NodeContext::axis(std::int64_t given, int rank) {
    if (given < -rank || given >= rank)
        throw std::runtime_error(fmt::format("axis {} is outside a tensor of {} axes", given, rank));
    return static_cast<int>(given < 0 ? given + rank : given);
}

std::vector<std::int64_t> NodeContext::window(std::string_view name, std::size_t count, std::int64_t fallback) const {
    std::vector<std::int64_t> values = node.integers(name);
    if (values.empty()) values.assign(count, fallback);
    if (values.size() != count)
        throw std::runtime_error(fmt::format("attribute '{}' needs {} entries, not {}", name, count, values.size()));
    for (std::int64_t value : values)
        if (value < 0 || value > largest_tensor)
            throw Unsupported(fmt::format("attribute '{}' has the entry {}", name, value));
    return values;
}

ValueId NodeContext::reshape(ValueId x, const ops::Shape &to) {
    if (shape(x) == to) return x;
    return emit({ops::OpKind::reshape, {}, {}}, {x}, {"", to});
}

ValueId NodeContext::transpose(ValueId x, const std::vector<int> &order) {
    if (std::is_sorted(order.begin(), order.end())) return x;
    return emit({ops::OpKind::transpose, ops::Permutation{order}, {}}, {x});
}

ValueId NodeContext::expand(ValueId x, const ops::Shape &to) {
    if (shape(x) == to) return x;
    return emit({ops::OpKind::expand, {}, {}}, {x}, {"", to});
}

ValueId NodeContext::cast(ValueId x, ops::DType to) {
    if (dtype(x) == to) return x;
    return emit({ops::OpKind::cast, {}, {}}, {x}, {"", {}, to});
}

ValueId NodeContext::reverse(ValueId x, int along) {
    ops::Slice slice;
    for (int i = 0; i < rank(x); ++i) {
        const std::int64_t size = shape(x)[i];
        slice.starts.push_back(i == along ? size - 1 : 0);
        slice.ends.push_back(i == along ? -1 : size);
        slice.steps.push_back(i == along ? -1 : 1);
    }
    return emit({ops::OpKind::slice, std::move(slice), {}}, {x}, {"flip"});
}

ValueId NodeContext::integers_constant(const std::vector<std::int64_t> &values) {
    ops::HostTensor data(ops::DType::int64, ops::Shape{static_cast<std::int64_t>(values.size())});
    std::copy(values.begin(), values.end(), data.as<std::int64_t>().begin());
    return draft.add_constant(std::move(data));
}

ValueId NodeContext::scalar_constant(double value) {
    ops::HostTensor data(ops::DType::fp32, ops::Shape{});
    data.as<float>()[0] = static_cast<float>(value);
    return draft.add_constant(std::move(data));
}

void NodeContext::bind(std::size_t output, ValueId value) {
    if (output < results.size()) results[output] = value;
}

} // namespace halfscope::model::importing
