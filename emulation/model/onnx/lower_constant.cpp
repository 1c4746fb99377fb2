// Values that the file states or that follow from known ones only.
#include "emulation/model/onnx/lowering.h"
#include "emulation/model/onnx/tensor_data.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <set>

namespace halfscope::model::importing {
namespace {

using ops::DType;
using ops::Shape;

Shape generated_shape(const std::vector<std::int64_t> &sizes) {
    const Shape shape = checked_shape(sizes, "its result");
    if (shape.elements() > largest_constant)
        throw std::runtime_error(fmt::format("it would make a constant of {} elements", shape.elements()));
    return shape;
}

template <typename T, typename Values>
ops::HostTensor tensor_of(DType dtype, const Shape &shape, const Values &values) {
    ops::HostTensor out(dtype, shape);
    auto to = out.as<T>().begin();
    for (const auto &value : values) *to++ = static_cast<T>(value);
    return out;
}

void constant(NodeContext &node) {
    const FileNode &from = node.node;
    if (const Tensor *value = from.find<Tensor>("value")) return node.bind(0, node.draft.add_constant(*value));
    if (const auto *value = from.find<double>("value_float")) return node.bind(0, node.scalar_constant(*value));
    if (const auto *value = from.find<std::int64_t>("value_int"))
        return node.bind(0,
                         node.draft.add_constant(tensor_of<std::int64_t>(DType::int64, Shape{}, std::vector{*value})));
    if (const auto *values = from.find<std::vector<std::int64_t>>("value_ints"))
        return node.bind(0, node.integers_constant(*values));
    if (const auto *values = from.find<std::vector<double>>("value_floats"))
        return node.bind(0, node.draft.add_constant(tensor_of<float>(
                                DType::fp32, Shape{static_cast<std::int64_t>(values->size())}, *values)));
    throw Unsupported("a constant that is not a dense tensor of numbers");
}

void constant_of_shape(NodeContext &node) {
    const Shape shape = generated_shape(node.integers(0, "the shape it makes"));
    const Tensor *value = node.node.find<Tensor>("value");
    const DType dtype = value ? (*value)->dtype : DType::fp32;
    ops::HostTensor out(dtype, shape);
    if (value) {
        if ((*value)->shape.elements() != 1) throw std::runtime_error("its attribute 'value' must be one element");
        const std::size_t width = ops::size_of(dtype);
        for (std::size_t i = 0; i < out.bytes.size(); ++i) out.bytes[i] = (*value)->bytes[i % width];
    }
    node.bind(0, node.draft.add_constant(std::move(out)));
}

/// start + i * step for max(0, ceil((limit - start) / step)) elements.
void range(NodeContext &node) {
    if (node.dtype(node.in(0)) == DType::int64) {
        const std::int64_t start = node.integers(0, "its start").at(0), limit = node.integers(1, "its limit").at(0),
                           step = node.integers(2, "its step").at(0);
        if (step == 0) throw std::runtime_error("its step is 0");
        for (std::int64_t bound : {start, limit, step})
            if (bound > largest_tensor || bound < -largest_tensor)
                throw std::runtime_error("its bounds are out of range");
        const std::int64_t reach = step > 0 ? limit - start : start - limit, stride = std::abs(step);
        const Shape shape = generated_shape({reach <= 0 ? 0 : (reach + stride - 1) / stride});
        ops::HostTensor out(DType::int64, shape);
        std::int64_t next = start;
        for (std::int64_t &value : out.as<std::int64_t>()) {
            value = next;
            next += step;
        }
        return node.bind(0, node.draft.add_constant(std::move(out)));
    }
    const double start = node.number(0, "its start"), limit = node.number(1, "its limit"),
                 step = node.number(2, "its step");
    const double count = std::ceil((limit - start) / step);
    if (!(std::abs(count) <= static_cast<double>(largest_constant)))
        throw std::runtime_error("its bounds are out of range");
    ops::HostTensor out(DType::fp32, generated_shape({static_cast<std::int64_t>(std::max(count, 0.0))}));
    // As ONNX's reference does it: each element from its index, in fp32.
    std::int64_t index = 0;
    for (float &value : out.as<float>())
        value = static_cast<float>(start) + static_cast<float>(index++) * static_cast<float>(step);
    node.bind(0, node.draft.add_constant(std::move(out)));
}

void eye_like(NodeContext &node) {
    const Shape shape = node.shape(node.in(0));
    if (shape.rank() != 2) throw std::runtime_error("it works on matrices");
    (void)generated_shape({shape[0], shape[1]});
    const std::int64_t diagonal = node.node.integer("k", 0);
    ops::HostTensor out(DType::fp32, shape);
    if (diagonal > -largest_tensor && diagonal < largest_tensor)
        for (std::int64_t row = 0; row < shape[0]; ++row)
            if (const std::int64_t column = row + diagonal; column >= 0 && column < shape[1])
                out.as<float>()[static_cast<std::size_t>(row * shape[1] + column)] = 1;
    const ValueId eye = node.draft.add_constant(std::move(out));
    DType type = node.dtype(node.in(0));
    if (const auto *stated = node.node.find<std::int64_t>("dtype")) {
        std::set<std::string> ignored;
        if (*stated < 0 || *stated > std::numeric_limits<int>::max()) throw Unsupported("a result of unknown type");
        type = storage_type(static_cast<int>(*stated), "its result", ignored);
    }
    node.bind(0, node.cast(eye, type));
}

/// Coordinates of the elements that are not zero, one row per axis.
void non_zero(NodeContext &node) {
    const ValueId x = node.in(0);
    if (!node.draft.constant(x)) throw Unsupported("a result whose size depends on values");
    const ValueId truth = node.cast(x, DType::boolean);
    const ops::HostTensor &data = *node.draft.constant(truth);
    std::vector<std::int64_t> found;
    const auto values = data.as<std::uint8_t>();
    for (std::size_t i = 0; i < values.size(); ++i)
        if (values[i] != 0) found.push_back(static_cast<std::int64_t>(i));
    const auto count = static_cast<std::int64_t>(found.size());
    ops::HostTensor out(DType::int64, Shape{data.shape.rank(), count});
    const auto to = out.as<std::int64_t>();
    std::int64_t below = 1;
    for (int axis = data.shape.rank() - 1; axis >= 0; --axis) {
        for (std::int64_t i = 0; i < count; ++i)
            to[static_cast<std::size_t>(axis * count + i)] =
                found[static_cast<std::size_t>(i)] / below % data.shape[axis];
        below *= data.shape[axis];
    }
    node.bind(0, node.draft.add_constant(std::move(out)));
}

} // namespace

void add_constant_rules(RuleTable &table) {
    table["Constant"] = constant;
    table["ConstantOfShape"] = constant_of_shape;
    table["Range"] = range;
    table["EyeLike"] = eye_like;
    table["NonZero"] = non_zero;
}

} // namespace halfscope::model::importing
