// Values of operations whose operands are all known at import: shape arithmetic, masks, tables.
#pragma once

#include "emulation/ops/operation.h"
#include "emulation/ops/tensor.h"

#include <span>

namespace halfscope::model::importing {

/// The first result of `operation`, of the given type and shape (as inferred). Data movement, integer and boolean
/// arithmetic are done here, exactly (int64 wraps around, as the file's integers do); floating arithmetic is left to
/// the CPU backend, so that a folded value has the bits it would have had in the graph. Throws std::runtime_error where
/// the operation has no value: an integer divided by zero, an index outside its axis.
[[nodiscard]] ops::HostTensor evaluate(const ops::Operation &operation,
                                       std::span<const ops::HostTensor *const> operands, ops::DType dtype,
                                       const ops::Shape &shape);

/// Row-major strides; 0 where an axis of `shape` is broadcast to `to` (aligned at the last axis, one entry per axis of
/// `to`).
[[nodiscard]] std::vector<std::int64_t> strides_for(const ops::Shape &shape, const ops::Shape &to);

/// Calls visit(flat index of the result, offset) for every element of `shape` in row-major order, where offset =
/// start + sum over axes of coordinate * stride.
template <typename Visit>
void walk(const ops::Shape &shape, std::int64_t start, std::span<const std::int64_t> strides, Visit visit) {
    const std::int64_t count = shape.elements();
    std::int64_t coordinate[ops::Shape::max_rank] = {};
    std::int64_t offset = start;
    for (std::int64_t flat = 0; flat < count; ++flat) {
        visit(flat, offset);
        for (int axis = shape.rank() - 1; axis >= 0; --axis) {
            const auto i = static_cast<std::size_t>(axis);
            offset += strides[i];
            if (++coordinate[i] < shape[axis]) break;
            offset -= strides[i] * shape[axis];
            coordinate[i] = 0;
        }
    }
}

} // namespace halfscope::model::importing
