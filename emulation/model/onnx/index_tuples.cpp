#include "emulation/model/onnx/index_tuples.h"

#include <stdexcept>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using ops::Shape;

/// Entry `entry` of every tuple.
ValueId entries(NodeContext &node, ValueId tuples, std::int64_t entry) {
    const Shape shape = node.shape(tuples);
    const auto last = static_cast<std::size_t>(shape.rank() - 1);
    ops::Slice part{std::vector<std::int64_t>(last + 1, 0),
                    {shape.sizes().begin(), shape.sizes().end()},
                    std::vector<std::int64_t>(last + 1, 1),
                    0};
    part.starts[last] = entry;
    part.ends[last] = entry + 1;
    const ValueId column = node.emit({OpKind::slice, std::move(part), {}}, {tuples});
    return node.reshape(column, Shape(shape.sizes().first(last)));
}

} // namespace

RowIndices flattened_tuples(NodeContext &node, const ops::Shape &data, ValueId tuples) {
    const Shape at = node.shape(tuples);
    if (at.rank() < 1) throw std::runtime_error("its indices are a scalar");
    const std::int64_t depth = at[at.rank() - 1];
    if (depth < 1 || depth > data.rank()) throw std::runtime_error("its indices have more entries than there are axes");
    RowIndices rows{{1}, none, static_cast<int>(depth)};
    for (int i = rows.depth; i < data.rank(); ++i) rows.table.append(data[i]);
    for (int i = 0; i < rows.depth; ++i) {
        const ValueId entry = entries(node, tuples, i), size = node.integers_constant({data[i]});
        // Negative entries count from the end of their own axis, so they are resolved before they are combined.
        const ValueId below = node.emit({OpKind::less, {}, {}}, {entry, node.integers_constant({0})});
        const ValueId wrapped = node.emit({OpKind::add, {}, {}}, {entry, size});
        const ValueId resolved = node.emit({OpKind::where, {}, {}}, {below, wrapped, entry});
        rows.table[0] *= data[i];
        rows.indices = i == 0 ? resolved
                              : node.emit({OpKind::add, {}, {}},
                                          {node.emit({OpKind::multiply, {}, {}}, {rows.indices, size}), resolved});
    }
    // Beside a scalar, a constant of one element gave the result an axis.
    rows.indices = node.reshape(rows.indices, Shape(at.sizes().first(static_cast<std::size_t>(at.rank() - 1))));
    return rows;
}

} // namespace halfscope::model::importing
