// Shape questions and rearrangements without choice of elements.
#include "emulation/model/onnx/lowering.h"
#include "emulation/model/shape_inference.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using ops::Shape;

/// Shape since opset 15 has `start` and `end`, clamped.
void shape_of(NodeContext &node) {
    const auto sizes = node.shape(node.in(0)).sizes();
    const auto rank = static_cast<std::int64_t>(sizes.size());
    const auto clamped = [&](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank); };
    const std::int64_t start = clamped(node.node.integer("start", 0));
    const std::int64_t end = std::max(start, clamped(node.node.integer("end", rank)));
    node.bind(0, node.integers_constant({sizes.begin() + start, sizes.begin() + end}));
}

void size_of(NodeContext &node) {
    ops::HostTensor count(ops::DType::int64, Shape{});
    count.as<std::int64_t>()[0] = node.shape(node.in(0)).elements();
    node.bind(0, node.draft.add_constant(std::move(count)));
}

void reshape(NodeContext &node) {
    const ValueId x = node.in(0);
    std::vector<std::int64_t> sizes = node.integers(1, "the shape it reshapes to");
    const bool keep_zero = node.node.integer("allowzero", 0) != 0;
    const Shape &from = node.shape(x);
    std::int64_t known = 1;
    std::size_t free = sizes.size();
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (sizes[i] == 0 && !keep_zero) {
            if (static_cast<int>(i) >= from.rank()) throw std::runtime_error("it copies an axis that is not there");
            sizes[i] = from[static_cast<int>(i)];
        }
        if (sizes[i] == -1) {
            if (free != sizes.size()) throw std::runtime_error("it leaves more than one axis open");
            free = i;
        } else if (sizes[i] < 0 || sizes[i] > largest_tensor ||
                   known > largest_tensor / std::max<std::int64_t>(sizes[i], 1)) {
            throw std::runtime_error(fmt::format("it reshapes to [{}]", fmt::join(sizes, ", ")));
        } else {
            known *= sizes[i];
        }
    }
    if (free != sizes.size()) {
        if (known == 0 || from.elements() % known != 0)
            throw std::runtime_error(fmt::format("{} cannot be reshaped to [{}]; sizes of the export (its batch?) are "
                                                 "baked into the file",
                                                 from.text(), fmt::join(sizes, ", ")));
        sizes[free] = from.elements() / known;
        known *= sizes[free];
    }
    if (known != from.elements())
        throw std::runtime_error(fmt::format("{} cannot be reshaped to [{}]; sizes of the export (its batch?) are "
                                             "baked into the file",
                                             from.text(), fmt::join(sizes, ", ")));
    node.bind(0, node.reshape(x, checked_shape(sizes, "its result")));
}

void flatten(NodeContext &node) {
    const ValueId x = node.in(0);
    const int rank = node.rank(x);
    std::int64_t axis = node.node.integer("axis", 1);
    if (axis < -rank || axis > rank) throw std::runtime_error("its axis is outside its operand");
    if (axis < 0) axis += rank;
    std::int64_t outer = 1, inner = 1;
    for (int i = 0; i < rank; ++i) (i < axis ? outer : inner) *= node.shape(x)[i];
    node.bind(0, node.reshape(x, Shape{outer, inner}));
}

void squeeze(NodeContext &node) {
    const ValueId x = node.in(0);
    const int rank = node.rank(x);
    std::vector<bool> dropped(static_cast<std::size_t>(rank), false);
    const bool stated = node.node.attributes.contains("axes") || node.has(1);
    for (std::int64_t axis : node.attribute_or_operand("axes", 1)) {
        const int at = NodeContext::axis(axis, rank);
        if (node.shape(x)[at] != 1)
            throw std::runtime_error(fmt::format("axis {} of {} is not 1", at, node.shape(x).text()));
        dropped[static_cast<std::size_t>(at)] = true;
    }
    Shape to;
    for (int i = 0; i < rank; ++i)
        if (stated ? !dropped[static_cast<std::size_t>(i)] : node.shape(x)[i] != 1) to.append(node.shape(x)[i]);
    node.bind(0, node.reshape(x, to));
}

void unsqueeze(NodeContext &node) {
    const ValueId x = node.in(0);
    const auto axes = node.attribute_or_operand("axes", 1);
    const auto rank = static_cast<std::size_t>(node.rank(x)) + axes.size();
    if (rank > Shape::max_rank) throw Unsupported(fmt::format("a tensor of {} axes", rank));
    std::vector<bool> added(rank, false);
    for (std::int64_t axis : axes) {
        const auto at = static_cast<std::size_t>(NodeContext::axis(axis, static_cast<int>(rank)));
        if (added[at]) throw std::runtime_error("an axis is added twice");
        added[at] = true;
    }
    Shape to;
    int next = 0;
    for (bool fresh : added) to.append(fresh ? 1 : node.shape(x)[next++]);
    node.bind(0, node.reshape(x, to));
}

void transpose(NodeContext &node) {
    const ValueId x = node.in(0);
    std::vector<int> order(static_cast<std::size_t>(node.rank(x)));
    std::iota(order.rbegin(), order.rend(), 0);
    if (node.node.attributes.contains("perm")) {
        order.clear();
        for (std::int64_t axis : node.node.integers("perm")) order.push_back(NodeContext::axis(axis, node.rank(x)));
        std::vector<int> sorted = order;
        std::sort(sorted.begin(), sorted.end());
        for (std::size_t i = 0; i < sorted.size(); ++i)
            if (sorted[i] != static_cast<int>(i)) throw std::runtime_error("its attribute 'perm' is no permutation");
        if (static_cast<int>(order.size()) != node.rank(x))
            throw std::runtime_error("its attribute 'perm' does not fit its operand");
    }
    node.bind(0, node.transpose(x, order));
}

void expand(NodeContext &node) {
    const ValueId x = node.in(0);
    const Shape wanted = checked_shape(node.integers(1, "the shape it expands to"), "its result");
    const auto to = broadcast(node.shape(x), wanted);
    if (!to) throw std::runtime_error(fmt::format("{} does not broadcast to {}", node.shape(x).text(), wanted.text()));
    node.bind(0, node.expand(x, checked_shape({to->sizes().begin(), to->sizes().end()}, "its result")));
}

void concat(NodeContext &node) {
    std::vector<ValueId> parts;
    for (std::size_t i = 0; i < node.operands.size(); ++i) parts.push_back(node.in(i));
    if (parts.empty()) throw std::runtime_error("it has no operands");
    const auto *stated = node.node.find<std::int64_t>("axis");
    if (!stated) throw std::runtime_error("its attribute 'axis' is missing");
    const int axis = NodeContext::axis(*stated, node.rank(parts[0]));
    node.bind(0, parts.size() == 1 ? parts[0] : node.emit({OpKind::concat, ops::Axis{axis}, {}}, parts));
}

/// Each repeated axis gets a new axis of the repeats before it, is expanded along it, and is merged again.
void tile(NodeContext &node) {
    ValueId x = node.in(0);
    const auto repeats = node.integers(1, "its repeats");
    if (repeats.size() != static_cast<std::size_t>(node.rank(x)))
        throw std::runtime_error("it needs one repeat per axis");
    for (int axis = 0; axis < node.rank(x); ++axis) {
        const std::int64_t times = repeats[static_cast<std::size_t>(axis)];
        if (times < 0 || times > largest_tensor) throw std::runtime_error(fmt::format("it repeats {} times", times));
        if (times == 1) continue;
        const Shape from = node.shape(x);
        // Leading axes are merged so that the wider form never needs more than four.
        std::int64_t outer = 1, inner = 1;
        for (int i = 0; i < axis; ++i) outer *= from[i];
        for (int i = axis + 1; i < from.rank(); ++i) inner *= from[i];
        std::vector<std::int64_t> sizes(from.sizes().begin(), from.sizes().end());
        sizes[static_cast<std::size_t>(axis)] *= times;
        const Shape to = checked_shape(sizes, "its result");
        x = node.reshape(x, Shape{outer, 1, from[axis], inner});
        x = node.expand(x, Shape{outer, times, from[axis], inner});
        x = node.reshape(x, to);
    }
    node.bind(0, x);
}

struct Blocks {
    std::int64_t n, c, h, w, b;
};

Blocks blocks_of(const NodeContext &node) {
    const Shape &shape = node.shape(node.in(0));
    if (shape.rank() != 4) throw std::runtime_error("it works on four axes");
    const std::int64_t block = node.node.integer("blocksize", 0);
    if (block < 1 || block > largest_tensor) throw std::runtime_error("its attribute 'blocksize' must be positive");
    return {shape[0], shape[1], shape[2], shape[3], block};
}

/// Pixel shuffle.
void depth_to_space(NodeContext &node) {
    const auto [n, c, h, w, b] = blocks_of(node);
    if (c % b != 0 || c / b % b != 0) throw std::runtime_error("its channels do not divide into blocks");
    const std::int64_t channels = c / b / b;
    const bool columns_first = node.node.text("mode", "DCR") == "CRD";
    const ValueId split =
        node.reshape(node.in(0), columns_first ? Shape{n, channels, b, b, h, w} : Shape{n, b, b, channels, h, w});
    const ValueId moved =
        node.transpose(split, columns_first ? std::vector<int>{0, 1, 4, 2, 5, 3} : std::vector<int>{0, 3, 4, 1, 5, 2});
    node.bind(0, node.reshape(moved, Shape{n, channels, h * b, w * b}));
}

void space_to_depth(NodeContext &node) {
    const auto [n, c, h, w, b] = blocks_of(node);
    if (h % b != 0 || w % b != 0) throw std::runtime_error("its pixels do not divide into blocks");
    const ValueId split = node.reshape(node.in(0), Shape{n, c, h / b, b, w / b, b});
    const ValueId moved = node.transpose(split, {0, 3, 5, 1, 2, 4});
    node.bind(0, node.reshape(moved, Shape{n, c * b * b, h / b, w / b}));
}

} // namespace

void add_shape_rules(RuleTable &table) {
    table["Shape"] = shape_of;
    table["Size"] = size_of;
    table["Reshape"] = reshape;
    table["Flatten"] = flatten;
    table["Squeeze"] = squeeze;
    table["Unsqueeze"] = unsqueeze;
    table["Transpose"] = transpose;
    table["Expand"] = expand;
    table["Concat"] = concat;
    table["Tile"] = tile;
    table["DepthToSpace"] = depth_to_space;
    table["SpaceToDepth"] = space_to_depth;
}

} // namespace halfscope::model::importing
