// Some axes of a dense operand, merged where they can be.
#pragma once

#include "emulation/ops/tensor.h"

#include <cstdint>

namespace halfscope::kernels::device::operations {

struct Axes {
    int rank = 0; ///< outermost first
    std::int64_t sizes[ops::Shape::max_rank] = {};
    std::int64_t strides[ops::Shape::max_rank] = {}; ///< elements; 0 where the operand is broadcast

    /// Offset of the element with this row-major index along these axes.
    [[nodiscard]] __device__ std::int64_t offset(std::int64_t index) const {
        std::int64_t at = 0;
        for (int axis = rank - 1; axis > 0; --axis) {
            at += index % sizes[axis] * strides[axis];
            index /= sizes[axis];
        }
        return rank > 0 ? at + index * strides[0] : at;
    }
};

} // namespace halfscope::kernels::device::operations
