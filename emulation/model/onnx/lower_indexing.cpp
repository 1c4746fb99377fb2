// Gathers, one-hot encoding, and scatters whose operands are known.
#include "emulation/model/onnx/evaluate.h"
#include "emulation/model/onnx/lowering.h"

#include <fmt/format.h>

#include <cstring>

namespace halfscope::model::importing {
namespace {

using ops::DType;
using ops::OpKind;
using ops::Shape;

ops::Operation along(OpKind kind, int axis) { return {kind, ops::Axis{axis}, {}}; }

/// A gather of rows of a trained table by integers is an embedding.
void gather(NodeContext &node) {
    const ValueId data = node.in(0), indices = node.in(1);
    const int axis = NodeContext::axis(node.node.integer("axis", 0), node.rank(data));
    if (node.rank(data) + node.rank(indices) - 1 > Shape::max_rank) throw Unsupported("a result of too many axes");
    const DraftValue &table = node.draft.value(data);
    const bool embedding = axis == 0 && table.shape.rank() == 2 && !table.source.empty() && node.floating(data);
    node.bind(0, node.emit(along(OpKind::gather, axis), {data, indices}, {embedding ? "embedding" : "index_select"}));
}

void gather_elements(NodeContext &node) {
    const ValueId data = node.in(0);
    const int axis = NodeContext::axis(node.node.integer("axis", 0), node.rank(data));
    node.bind(0, node.emit(along(OpKind::gather_elements, axis), {data, node.in(1)}));
}

/// Index tuples into the leading axes become flat indices into their product.
void gather_nd(NodeContext &node) {
    const ValueId data = node.in(0);
    ValueId indices = node.in(1);
    if (node.node.integer("batch_dims", 0) != 0) throw Unsupported("attribute batch_dims");
    const Shape from = node.shape(data), at = node.shape(indices);
    if (at.rank() < 1) throw std::runtime_error("its indices are a scalar");
    const std::int64_t depth = at[at.rank() - 1];
    if (depth < 1 || depth > from.rank()) throw std::runtime_error("its indices have more entries than there are axes");
    std::vector<std::int64_t> sizes, strides(static_cast<std::size_t>(depth), 1);
    for (std::int64_t i = 0; i < depth; ++i) sizes.push_back(from[static_cast<int>(i)]);
    for (std::size_t i = sizes.size() - 1; i-- > 0;) strides[i] = strides[i + 1] * sizes[i + 1];
    if (!node.draft.constant(indices) && depth > 1)
        throw Unsupported("index tuples that are only known when the model runs");
    if (depth > 1) {
        // Negative entries count from the end of their own axis, so they are resolved before they are combined.
        const ValueId size = node.integers_constant(sizes), zero = node.integers_constant({0});
        const ValueId below = node.emit({OpKind::less, {}, {}}, {indices, zero});
        const ValueId wrapped = node.emit({OpKind::add, {}, {}}, {indices, size});
        indices = node.emit({OpKind::where, {}, {}}, {below, wrapped, indices});
        indices = node.emit({OpKind::multiply, {}, {}}, {indices, node.integers_constant(strides)});
        indices = node.emit({OpKind::reduce_sum, ops::Reduction{{at.rank() - 1}, false}, {}}, {indices});
    } else {
        indices = node.reshape(indices, Shape(at.sizes().first(static_cast<std::size_t>(at.rank() - 1))));
    }
    Shape flat{1};
    for (std::int64_t i = 0; i < depth; ++i) flat[0] *= from[static_cast<int>(i)];
    for (int i = static_cast<int>(depth); i < from.rank(); ++i) flat.append(from[i]);
    node.bind(0, node.emit(along(OpKind::gather, 0), {node.reshape(data, flat), indices}, {"index"}));
}

/// on at the index, off elsewhere; a negative index counts from the end.
void one_hot(NodeContext &node) {
    ValueId indices = node.cast(node.in(0), DType::int64);
    const double depth = node.number(1, "its depth");
    const ops::HostTensor *values = node.draft.constant(node.in(2));
    if (!values || values->shape.elements() != 2) throw Unsupported("on and off values that are not known");
    if (!(depth >= 1 && depth <= static_cast<double>(largest_tensor)))
        throw std::runtime_error("its depth is not positive");
    const DType type = node.dtype(node.in(2));
    const int rank = node.rank(indices) + 1;
    const int axis = NodeContext::axis(node.node.integer("axis", -1), rank);
    std::vector<std::int64_t> sizes(node.shape(indices).sizes().begin(), node.shape(indices).sizes().end());
    sizes.insert(sizes.begin() + axis, static_cast<std::int64_t>(depth));
    const Shape to = checked_shape(sizes, "its result");

    const ValueId count = node.integers_constant({static_cast<std::int64_t>(depth)});
    const ValueId below = node.emit({OpKind::less, {}, {}}, {indices, node.integers_constant({0})});
    const ValueId wrapped = node.emit({OpKind::add, {}, {}}, {indices, count});
    indices = node.emit({OpKind::where, {}, {}}, {below, wrapped, indices});
    if (rank == 1) indices = node.reshape(indices, Shape{});
    ValueId hot = node.emit(along(OpKind::one_hot, axis), {indices}, {"one_hot", to, DType::fp32});
    const ValueId pair = node.cast(node.in(2), DType::fp32);
    const auto bounds = node.draft.constant(pair)->as<float>();
    const double off = static_cast<double>(bounds[0]), on = static_cast<double>(bounds[1]);
    if (on - off != 1) hot = node.emit({OpKind::scale, ops::Scalars{on - off, 0}, {}}, {hot}, {"one_hot"});
    if (off != 0) hot = node.emit({OpKind::shift, ops::Scalars{off, 0}, {}}, {hot}, {"one_hot"});
    node.bind(0, node.cast(hot, type));
}

/// Scatters have no counterpart among the operations; those that only make tables are worked out here.
const ops::HostTensor &known(const NodeContext &node, std::size_t index) {
    const ops::HostTensor *data = node.draft.constant(node.in(index));
    if (!data) throw Unsupported("operands that are only known when the model runs");
    return *data;
}

std::size_t position(std::int64_t index, std::int64_t size) {
    if (index < 0) index += size;
    if (index < 0 || index >= size) throw std::runtime_error(fmt::format("an index is outside an axis of {}", size));
    return static_cast<std::size_t>(index);
}

void require_plain(const NodeContext &node) {
    if (const std::string reduction = node.node.text("reduction", "none"); reduction != "none")
        throw Unsupported("attribute reduction = " + reduction);
}

void scatter_nd(NodeContext &node) {
    require_plain(node);
    const ops::HostTensor &data = known(node, 0), &indices = known(node, 1), &updates = known(node, 2);
    if (indices.dtype != DType::int64 || indices.shape.rank() < 1 || updates.dtype != data.dtype)
        throw std::runtime_error("its operands do not fit");
    const std::int64_t depth = indices.shape[indices.shape.rank() - 1];
    if (depth < 0 || depth > data.shape.rank()) throw std::runtime_error("its index tuples are too long");
    std::size_t run = ops::size_of(data.dtype);
    for (int i = static_cast<int>(depth); i < data.shape.rank(); ++i) run *= static_cast<std::size_t>(data.shape[i]);
    std::int64_t tuples = 1;
    for (int i = 0; i + 1 < indices.shape.rank(); ++i) tuples *= indices.shape[i];
    if (updates.bytes.size() != static_cast<std::size_t>(tuples) * run)
        throw std::runtime_error("its updates do not fit its indices");
    ops::HostTensor out = data;
    const auto picks = indices.as<std::int64_t>();
    for (std::int64_t t = 0; t < tuples; ++t) {
        std::size_t at = 0;
        for (std::int64_t i = 0; i < depth; ++i) {
            const std::int64_t size = data.shape[static_cast<int>(i)];
            at = at * static_cast<std::size_t>(size) + position(picks[static_cast<std::size_t>(t * depth + i)], size);
        }
        if (run > 0)
            std::memcpy(out.bytes.data() + at * run, updates.bytes.data() + static_cast<std::size_t>(t) * run, run);
    }
    node.bind(0, node.draft.add_constant(std::move(out)));
}

void scatter_elements(NodeContext &node) {
    require_plain(node);
    const ops::HostTensor &data = known(node, 0), &indices = known(node, 1), &updates = known(node, 2);
    const int axis = NodeContext::axis(node.node.integer("axis", 0), data.shape.rank());
    if (indices.dtype != DType::int64 || updates.dtype != data.dtype || updates.shape != indices.shape ||
        indices.shape.rank() != data.shape.rank())
        throw std::runtime_error("its operands do not fit");
    std::vector<std::int64_t> strides(static_cast<std::size_t>(data.shape.rank()), 1);
    for (int i = data.shape.rank() - 2; i >= 0; --i)
        strides[static_cast<std::size_t>(i)] = strides[static_cast<std::size_t>(i) + 1] * data.shape[i + 1];
    for (int i = 0; i < data.shape.rank(); ++i)
        if (i != axis && indices.shape[i] > data.shape[i]) throw std::runtime_error("its indices do not fit its data");
    const auto step = static_cast<std::size_t>(strides[static_cast<std::size_t>(axis)]);
    strides[static_cast<std::size_t>(axis)] = 0;
    ops::HostTensor out = data;
    const auto picks = indices.as<std::int64_t>();
    const std::size_t width = ops::size_of(data.dtype);
    walk(indices.shape, 0, strides, [&](std::int64_t flat, std::int64_t base) {
        const std::size_t from = static_cast<std::size_t>(flat);
        const std::size_t to = static_cast<std::size_t>(base) + position(picks[from], data.shape[axis]) * step;
        std::memcpy(out.bytes.data() + to * width, updates.bytes.data() + from * width, width);
    });
    node.bind(0, node.draft.add_constant(std::move(out)));
}

} // namespace

void add_indexing_rules(RuleTable &table) {
    table["Gather"] = gather;
    table["GatherElements"] = gather_elements;
    table["GatherND"] = gather_nd;
    table["OneHot"] = one_hot;
    table["ScatterND"] = scatter_nd;
    table["ScatterElements"] = scatter_elements;
    table["Scatter"] = scatter_elements;
}

} // namespace halfscope::model::importing
