// Operands of batched matrix products, in any layout, and what follows a product's sum.
#pragma once

#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/unit_model.cuh"

namespace halfscope::kernels::device::operations {

/// One operand's matrices: element (row, column) of batch b at offset[b] + row * row_stride + column * column_stride.
struct Matrices {
    Operand values;
    std::int64_t rows, columns, row_stride, column_stride;
    const std::int64_t *offsets;

    [[nodiscard]] __device__ float at(std::int64_t batch, std::int64_t row, std::int64_t column) const {
        return values.at(offsets[batch] + row * row_stride + column * column_stride);
    }
};

/// What is left of a result after its chain: * alpha, then + beta * bias, each rounded.
struct Finish {
    float alpha, beta;
    Matrices bias; ///< no data: none

    [[nodiscard]] __device__ float operator()(float sum, std::int64_t batch, std::int64_t row,
                                              std::int64_t column) const {
        if (alpha != 1) sum = __fmul_rn(sum, alpha);
        if (bias.values.data == nullptr) return sum;
        const float addend = bias.at(batch, row, column);
        return __fadd_rn(sum, beta == 1 ? addend : __fmul_rn(beta, addend));
    }
};

/// d [batch, rows, columns] = finish(a b) on the matrix unit, all batches in one launch, operands of 16 bits read where
/// they lie.
void unit_matmul(const Matrices &a, const Matrices &b, const Finish &finish, UnitAccumulator accumulator, float *d,
                 std::int64_t batches);

} // namespace halfscope::kernels::device::operations
