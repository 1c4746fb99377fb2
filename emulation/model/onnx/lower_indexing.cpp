// Gathers, one-hot encoding and top-k.
#include "emulation/model/onnx/index_tuples.h"
#include "emulation/model/onnx/lowering.h"

#include <fmt/format.h>

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
    if (node.node.integer("batch_dims", 0) != 0) throw Unsupported("attribute batch_dims");
    const RowIndices rows = flattened_tuples(node, node.shape(node.in(0)), node.in(1));
    const ValueId data = node.reshape(node.in(0), rows.table);
    node.bind(0, node.emit(along(OpKind::gather, 0), {data, rows.indices}, {"index"}));
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

/// (values, indices); of equals the lower index first, as PyTorch's kernels mostly do.
void top_k(NodeContext &node) {
    const ValueId x = node.in(0);
    const int axis = NodeContext::axis(node.node.integer("axis", -1), node.rank(x));
    const double count = node.opset < 10 ? static_cast<double>(node.node.integer("k", -1)) : node.number(1, "its k");
    Shape to = node.shape(x);
    if (!(count >= 0 && count <= static_cast<double>(to[axis])))
        throw std::runtime_error(fmt::format("its k = {} is outside an axis of {}", count, to[axis]));
    to[axis] = static_cast<std::int64_t>(count);
    const bool smallest = node.node.integer("largest", 1) == 0;
    const ValueId ranked = smallest ? node.emit({OpKind::negate, {}, {}}, {x}, {"topk"}) : x;
    const ValueId indices = node.emit(along(OpKind::top_k, axis), {ranked}, {"topk", to});
    node.bind(0, node.emit(along(OpKind::gather_elements, axis), {x, indices}, {"topk"}));
    node.bind(1, indices);
}

} // namespace

void add_indexing_rules(RuleTable &table) {
    table["Gather"] = gather;
    table["GatherElements"] = gather_elements;
    table["GatherND"] = gather_nd;
    table["OneHot"] = one_hot;
    table["TopK"] = top_k;
}

} // namespace halfscope::model::importing
