// Scatters. With operands that are known they make tables and are worked out here. Otherwise what is written is laid
// into zeros (the gradient of a gather does that, adding what comes to one place) and taken where something came.
#include "emulation/model/onnx/evaluate.h"
#include "emulation/model/onnx/index_tuples.h"
#include "emulation/model/onnx/lowering.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace halfscope::model::importing {
namespace {

using ops::DType;
using ops::OpKind;
using ops::Shape;

enum class Combine { replace, add };

Combine combine_of(const NodeContext &node) {
    const std::string reduction = node.node.text("reduction", "none");
    if (reduction == "none") return Combine::replace;
    if (reduction == "add") return Combine::add;
    throw Unsupported("attribute reduction = " + reduction);
}

bool all_known(const NodeContext &node) {
    for (const std::size_t index : {0u, 1u, 2u})
        if (!node.draft.constant(node.in(index))) return false;
    return true;
}

bool is_zero(const ops::HostTensor *data) {
    if (!data || data->dtype != DType::fp32) return false;
    const auto values = data->as<float>();
    return std::all_of(values.begin(), values.end(), [](float x) { return x == 0; });
}

std::size_t position(std::int64_t index, std::int64_t size) {
    if (index < 0) index += size;
    if (index < 0 || index >= size) throw std::runtime_error(fmt::format("an index is outside an axis of {}", size));
    return static_cast<std::size_t>(index);
}

/// All operands are known, so is the result.
ops::HostTensor written_rows(const ops::HostTensor &data, const ops::HostTensor &indices,
                             const ops::HostTensor &updates) {
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
    return out;
}

ops::HostTensor written_elements(const ops::HostTensor &data, const ops::HostTensor &indices,
                                 const ops::HostTensor &updates, int axis) {
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
    return out;
}

/// `data` with `laid` (what was written, added up in zeros) where `written` is not zero; both broadcast to data.
ValueId combined(NodeContext &node, ValueId data, ValueId laid, ValueId written, const std::string &policy) {
    const ValueId here = node.emit({OpKind::greater, {}, {}}, {written, node.scalar_constant(0)}, {policy});
    return node.emit({OpKind::where, {}, {}}, {here, laid, data}, {policy});
}

ValueId ones(NodeContext &node, const Shape &shape) { return node.expand(node.scalar_constant(1), shape); }

/// PyTorch's CUDA kernel (ScatterGatherKernel.cu) adds with atomics on the stored type.
void tell_of_atomics(NodeContext &node) {
    node.notes.about(node.origin.name, "What a scatter adds to one place is summed in fp32 and rounded once here; "
                                       "PyTorch rounds a 16-bit result after every addition, in no fixed order:");
}

void require_floating(const NodeContext &node) {
    if (!node.floating(node.in(0)) || !node.floating(node.in(2)))
        throw Unsupported("integers that are only known when the model runs");
}

void scatter_elements(NodeContext &node) {
    const Combine combine = combine_of(node);
    const ValueId data = node.in(0), indices = node.in(1), updates = node.in(2);
    const int axis = NodeContext::axis(node.node.integer("axis", 0), node.rank(data));
    if (combine == Combine::replace && all_known(node))
        return node.bind(
            0, node.draft.add_constant(written_elements(*node.draft.constant(data), *node.draft.constant(indices),
                                                        *node.draft.constant(updates), axis)));
    require_floating(node);
    if (combine == Combine::add) tell_of_atomics(node);
    const auto lay = [&](ValueId what, const std::string &policy) {
        return node.emit({OpKind::gather_elements_gradient, ops::Axis{axis}, {}}, {what, indices},
                         {policy, node.shape(data)});
    };
    const std::string policy = combine == Combine::add ? "scatter_add" : "scatter";
    const ValueId laid = lay(updates, policy);
    if (is_zero(node.draft.constant(data))) return node.bind(0, laid);
    node.bind(0, combine == Combine::add
                     ? node.emit({OpKind::add, {}, {}}, {data, laid}, {policy})
                     : combined(node, data, laid, lay(ones(node, node.shape(indices)), policy), policy));
}

void scatter_nd(NodeContext &node) {
    const Combine combine = combine_of(node);
    const ValueId data = node.in(0), indices = node.in(1), updates = node.in(2);
    if (combine == Combine::replace && all_known(node))
        return node.bind(0,
                         node.draft.add_constant(written_rows(*node.draft.constant(data), *node.draft.constant(indices),
                                                              *node.draft.constant(updates))));
    require_floating(node);
    if (combine == Combine::add) tell_of_atomics(node);
    const Shape whole = node.shape(data);
    const RowIndices rows = flattened_tuples(node, whole, indices);
    const auto lay = [&](ValueId what, const Shape &table) {
        return node.emit({OpKind::gather_gradient, ops::Axis{0}, {}}, {what, rows.indices}, {"index_put", table});
    };
    const ValueId laid = node.reshape(lay(updates, rows.table), whole);
    if (is_zero(node.draft.constant(data))) return node.bind(0, laid);
    if (combine == Combine::add) return node.bind(0, node.emit({OpKind::add, {}, {}}, {data, laid}, {"index_put"}));
    Shape beside = whole; // a mark per row, the same for all of it
    for (int i = rows.depth; i < beside.rank(); ++i) beside[i] = 1;
    const ValueId written = lay(ones(node, node.shape(rows.indices)), Shape{rows.table[0]});
    node.bind(0, combined(node, data, laid, node.reshape(written, beside), "index_put"));
}

} // namespace

void add_scatter_rules(RuleTable &table) {
    table["ScatterND"] = scatter_nd;
    table["ScatterElements"] = scatter_elements;
    table["Scatter"] = scatter_elements;
}

} // namespace halfscope::model::importing
