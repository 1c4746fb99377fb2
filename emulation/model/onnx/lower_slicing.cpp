// Slice, Split, Pad and Trilu.
#include "emulation/model/onnx/lowering.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using ops::Shape;

ops::Slice whole(const Shape &shape) {
    ops::Slice slice;
    for (std::int64_t size : shape.sizes()) {
        slice.starts.push_back(0);
        slice.ends.push_back(size);
        slice.steps.push_back(1);
    }
    return slice;
}

bool takes_all(const ops::Slice &slice, const Shape &shape) {
    for (int i = 0; i < shape.rank(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (slice.starts[at] != 0 || slice.ends[at] != shape[i] || slice.steps[at] != 1) return false;
    }
    return true;
}

ValueId cut(NodeContext &node, ValueId x, ops::Slice slice) {
    if (takes_all(slice, node.shape(x))) return x;
    return node.emit({OpKind::slice, std::move(slice), {}}, {x});
}

/// Starts, ends and axes are attributes before opset 10, operands since; out of range bounds are clamped.
void slice(NodeContext &node) {
    const ValueId x = node.in(0);
    const Shape &shape = node.shape(x);
    const auto starts = node.attribute_or_operand("starts", 1), ends = node.attribute_or_operand("ends", 2);
    auto axes = node.attribute_or_operand("axes", 3);
    const auto steps = node.has(4) ? node.integers(4, "'steps'") : std::vector<std::int64_t>(starts.size(), 1);
    if (axes.empty()) {
        axes.resize(starts.size());
        std::iota(axes.begin(), axes.end(), 0);
    }
    if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
        throw std::runtime_error("its starts, ends, axes and steps differ in number");
    ops::Slice taken = whole(shape);
    for (std::size_t i = 0; i < starts.size(); ++i) {
        const int axis = NodeContext::axis(axes[i], shape.rank());
        const std::int64_t size = shape[axis];
        if (steps[i] == 0) throw std::runtime_error("one of its steps is 0");
        const bool forward = steps[i] > 0;
        const auto place = [&](std::int64_t at, std::int64_t least, std::int64_t most) {
            return std::clamp(at < 0 ? at + size : at, least, most);
        };
        const auto at = static_cast<std::size_t>(axis);
        taken.starts[at] =
            forward ? place(starts[i], 0, size) : place(starts[i], 0, std::max<std::int64_t>(size - 1, 0));
        taken.ends[at] = forward ? place(ends[i], 0, size) : place(ends[i], -1, std::max<std::int64_t>(size - 1, -1));
        // A step beyond the axis takes one element whatever its size; clamped so that sums stay in range.
        const std::int64_t reach = std::max<std::int64_t>(size, 1);
        taken.steps[at] = std::clamp(steps[i], -reach, reach);
        const bool empty =
            size == 0 || (forward ? taken.starts[at] >= taken.ends[at] : taken.starts[at] <= taken.ends[at]);
        if (empty) {
            taken.starts[at] = taken.ends[at] = 0;
            taken.steps[at] = 1;
        }
    }
    node.bind(0, cut(node, x, std::move(taken)));
}

/// Parts are an attribute before opset 13, an operand since, and a number of equal parts since opset 18.
void split(NodeContext &node) {
    const ValueId x = node.in(0);
    const Shape &shape = node.shape(x);
    const int axis = NodeContext::axis(node.node.integer("axis", 0), shape.rank());
    auto parts = node.attribute_or_operand("split", 1);
    const auto outputs = static_cast<std::int64_t>(node.node.outputs.size());
    if (parts.empty() && outputs > 0) {
        const std::int64_t each = (shape[axis] + outputs - 1) / outputs;
        parts.assign(static_cast<std::size_t>(outputs), each);
        parts.back() = shape[axis] - each * (outputs - 1);
    }
    if (parts.size() != node.node.outputs.size()) throw std::runtime_error("it has more parts than outputs, or fewer");
    std::int64_t start = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i] < 0 || parts[i] > shape[axis] - start)
            throw std::runtime_error(
                fmt::format("its parts [{}] do not fit an axis of {}", fmt::join(parts, ", "), shape[axis]));
        if (node.node.has_output(i)) {
            ops::Slice part = whole(shape);
            part.starts[static_cast<std::size_t>(axis)] = start;
            part.ends[static_cast<std::size_t>(axis)] = start + parts[i];
            ValueId piece = takes_all(part, shape) ? x : node.emit({OpKind::slice, part, {}}, {x}, {"split"});
            node.bind(i, piece);
        }
        start += parts[i];
    }
    if (start != shape[axis]) throw std::runtime_error("its parts do not fill the axis");
}

/// Which element of an axis of `size` a padded place repeats; `place` counts from the axis' first element.
std::int64_t mirrored(std::int64_t place, std::int64_t size) {
    const std::int64_t period = std::max<std::int64_t>(1, 2 * (size - 1));
    const std::int64_t within = (place % period + period) % period;
    return std::min(within, period - within);
}
std::int64_t clamped(std::int64_t place, std::int64_t size) { return std::clamp<std::int64_t>(place, 0, size - 1); }
std::int64_t wrapped(std::int64_t place, std::int64_t size) { return (place % size + size) % size; }

using Repeats = std::int64_t (*)(std::int64_t place, std::int64_t size);

/// Padding with elements of the operand: one gather per padded axis.
ValueId repeat(NodeContext &node, ValueId x, const ops::Slice &pads, Repeats source, const std::string &policy) {
    for (int axis = 0; axis < node.rank(x); ++axis) {
        const std::int64_t before = pads.starts[static_cast<std::size_t>(axis)],
                           after = pads.ends[static_cast<std::size_t>(axis)], size = node.shape(x)[axis];
        if (before == 0 && after == 0) continue;
        if (size == 0) throw std::runtime_error("it repeats elements of an empty axis");
        if (before + size + after > largest_constant) throw std::runtime_error("its pads are out of range");
        std::vector<std::int64_t> picks;
        for (std::int64_t place = -before; place < size + after; ++place) picks.push_back(source(place, size));
        x = node.emit({OpKind::gather, ops::Axis{axis}, {}}, {x, node.integers_constant(picks)}, {policy});
    }
    return x;
}

/// A negative pad cuts. Pads are an attribute before opset 11.
void pad(NodeContext &node) {
    ValueId x = node.in(0);
    const std::string mode = node.node.text("mode", "constant");
    const std::map<std::string, std::pair<Repeats, std::string>> repeating{
        {"reflect", {mirrored, "reflection_pad"}}, {"edge", {clamped, "replication_pad"}}, {"wrap", {wrapped, "pad"}}};
    const auto repeats = repeating.find(mode);
    if (mode != "constant" && repeats == repeating.end()) throw Unsupported("attribute mode = " + mode);
    const int rank = node.rank(x);
    const auto stated = node.attribute_or_operand("pads", 1);
    std::vector<int> axes;
    if (node.has(3)) {
        for (std::int64_t axis : node.integers(3, "'axes'")) axes.push_back(NodeContext::axis(axis, rank));
    } else {
        axes.resize(static_cast<std::size_t>(rank));
        std::iota(axes.begin(), axes.end(), 0);
    }
    if (stated.size() != 2 * axes.size()) throw std::runtime_error("it needs two pads per axis");
    double fill = node.node.number("value", 0);
    if (node.has(2)) fill = node.number(2, "the value it pads with");

    ops::Slice inner = whole(node.shape(x)), pads;
    pads.starts.assign(static_cast<std::size_t>(rank), 0);
    pads.ends.assign(static_cast<std::size_t>(rank), 0);
    pads.steps.assign(static_cast<std::size_t>(rank), 1);
    pads.value = fill;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const auto at = static_cast<std::size_t>(axes[i]);
        const std::int64_t before = stated[i], after = stated[i + axes.size()];
        if (std::max(before, after) > largest_tensor || std::min(before, after) < -largest_tensor)
            throw std::runtime_error("its pads are out of range");
        pads.starts[at] = std::max<std::int64_t>(before, 0);
        pads.ends[at] = std::max<std::int64_t>(after, 0);
        inner.starts[at] -= std::min<std::int64_t>(before, 0);
        inner.ends[at] += std::min<std::int64_t>(after, 0);
        if (inner.starts[at] > inner.ends[at]) throw std::runtime_error("it cuts more than an axis holds");
    }
    x = cut(node, x, std::move(inner));
    const auto none_set = [](const std::vector<std::int64_t> &list) {
        return std::all_of(list.begin(), list.end(), [](std::int64_t p) { return p == 0; });
    };
    if (none_set(pads.starts) && none_set(pads.ends)) return node.bind(0, x);
    if (repeats != repeating.end())
        return node.bind(0, repeat(node, x, pads, repeats->second.first, repeats->second.second));
    node.bind(0, node.emit({OpKind::pad, std::move(pads), {}}, {x}, {"constant_pad_nd"}));
}

void triangle(NodeContext &node) {
    const ValueId x = node.in(0);
    if (node.rank(x) < 2) throw std::runtime_error("it works on matrices");
    const std::int64_t diagonal = node.has(1) ? node.integers(1, "its diagonal").at(0) : 0;
    const bool upper = node.node.integer("upper", 1) != 0;
    // Diagonals outside the matrix all mean the same; clamped to what a double holds exactly.
    const std::int64_t limit = largest_tensor;
    ops::Scalars scalars{upper ? 1.0 : 0.0, static_cast<double>(std::clamp(diagonal, -limit, limit))};
    node.bind(0, node.emit({OpKind::trilu, scalars, {}}, {x}, {upper ? "triu" : "tril"}));
}

} // namespace

void add_slicing_rules(RuleTable &table) {
    table["Slice"] = slice;
    table["Split"] = split;
    table["Pad"] = pad;
    table["Trilu"] = triangle;
}

} // namespace halfscope::model::importing
