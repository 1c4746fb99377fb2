// Operands of batched matrix products, in any layout, and what follows a product's sum.
#pragma once

#include "kernels/cuda/operations/axes.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/stored.cuh"
#include "kernels/cuda/operations/unit_model.cuh"

namespace halfscope::kernels::device::operations {

/// One of an operand's matrices.
struct Matrix {
    Operand values;
    std::int64_t offset, row_stride, column_stride;

    [[nodiscard]] __device__ float at(std::int64_t row, std::int64_t column) const {
        return values.at(offset + row * row_stride + column * column_stride);
    }
};

/// An operand: matrices of rows x columns, where the result's leading axes say.
struct Matrices {
    Operand values;
    std::int64_t rows, columns, row_stride, column_stride;
    Axes batches;

    [[nodiscard]] __device__ Matrix of(std::int64_t batch) const {
        return {values, batches.offset(batch), row_stride, column_stride};
    }
};

/// What is left of one product's results after their chains: * alpha, then + beta * bias, each rounded; and where they
/// go.
struct FinishOfOne {
    float alpha, beta;
    Matrix bias; ///< no data: none
    Stored results;
    std::int64_t first, columns; ///< place of element (0, 0), and from row to row

    __device__ void put_as_is(std::int64_t row, std::int64_t column, float sum) const {
        results.put(first + row * columns + column, sum);
    }
    __device__ void put(std::int64_t row, std::int64_t column, float sum) const {
        if (alpha != 1) sum = __fmul_rn(sum, alpha);
        if (bias.values.data != nullptr) {
            const float addend = bias.at(row, column);
            sum = __fadd_rn(sum, beta == 1 ? addend : __fmul_rn(beta, addend));
        }
        put_as_is(row, column, sum);
    }
};

/// The same of a batch.
struct Finish {
    float alpha, beta;
    Matrices bias;
    std::int64_t rows, columns; ///< of a result
    Stored results;             ///< [batch, rows, columns]

    [[nodiscard]] __device__ FinishOfOne of(std::int64_t batch) const {
        return {alpha, beta, bias.of(batch), results, batch * rows * columns, columns};
    }
};

/// finish(a b) on the matrix unit, all batches in one launch, operands of 16 bits read where they lie.
void unit_matmul(const Matrices &a, const Matrices &b, const Finish &finish, UnitAccumulator accumulator,
                 std::int64_t batches);

} // namespace halfscope::kernels::device::operations
