#include "kernels/cuda/mma_gemm.h"

#include "kernels/cuda/eight_elements.cuh"
#include "kernels/cuda/unit_product.cuh"

#include <stdexcept>

namespace halfscope::kernels::device {
namespace {

/// d = c + a b, row-major.
template <typename T, typename Value> struct Gemm : unit::RowMajor {
    const T *a, *b;
    const Value *c; ///< null: +0
    Value *d;
    std::int64_t rows, columns, depth;

    __device__ void enter(unsigned) {}
    [[nodiscard]] __device__ Value start(std::int64_t row, std::int64_t column) const {
        return c != nullptr ? c[row * columns + column] : Value(0.0f);
    }
    __device__ void leave(std::int64_t row, std::int64_t column, Value sum) const { d[row * columns + column] = sum; }
    [[nodiscard]] __device__ std::uint32_t left(std::int64_t row, std::int64_t k) const {
        return bits_of_operand(a[row * depth + k]);
    }
    [[nodiscard]] __device__ std::uint32_t right(std::int64_t k, std::int64_t column) const {
        return bits_of_operand(b[k * columns + column]);
    }

    [[nodiscard]] __device__ uint4 left_eight(std::int64_t row, std::int64_t k) const {
        return eight_of(a + row * depth, k, depth, row < rows, depth % 8 == 0); // cudaMalloc aligns the start
    }
    struct Columns {
        const T *b;
        std::int64_t at, columns, depth;
        [[nodiscard]] __device__ uint4 eight(std::int64_t k) const {
            return eight_of(b + k * columns, at, columns, k < depth, columns % 8 == 0);
        }
    };
    [[nodiscard]] __device__ Columns at_column(std::int64_t column) const { return {b, column, columns, depth}; }
};

template <typename T, typename Accumulator>
void launch(bool reference, const GemmOperands &on, const GemmShape &shape) {
    using Value = typename Accumulator::Value;
    const Gemm<T, Value> product{{},
                                 static_cast<const T *>(on.a),
                                 static_cast<const T *>(on.b),
                                 static_cast<const Value *>(on.c),
                                 static_cast<Value *>(on.d),
                                 shape.m,
                                 shape.n,
                                 shape.k};
    unit::launch_products<T, Accumulator>(reference ? "mma gemm reference kernel" : "mma gemm kernel", reference,
                                          product, shape.m, shape.n, 1);
}

void launch(bool reference, number::FormatId operands, bool fp16_accumulator, const GemmOperands &on,
            const GemmShape &shape) {
    using number::FormatId;
    if (shape.k % (operands == FormatId::tf32 ? 8 : 16) != 0)
        throw std::invalid_argument("k must be a multiple of 16 (tf32: 8) for the matrix unit");
    if (fp16_accumulator && operands == FormatId::fp16) return launch<__half, Fp16Accumulator>(reference, on, shape);
    if (operands == FormatId::fp16) return launch<__half, Fp32Accumulator>(reference, on, shape);
    if (operands == FormatId::bf16) return launch<__nv_bfloat16, Fp32Accumulator>(reference, on, shape);
    if (operands == FormatId::tf32) return launch<Tf32, Fp32Accumulator>(reference, on, shape);
    throw std::invalid_argument("the matrix unit takes fp16, bf16 and tf32 here");
}

} // namespace

void mma_gemm_reference(number::FormatId operands, bool fp16_accumulator, const GemmOperands &on,
                        const GemmShape &shape) {
    launch(true, operands, fp16_accumulator, on, shape);
}

void mma_gemm(number::FormatId operands, bool fp16_accumulator, const GemmOperands &on, const GemmShape &shape) {
    launch(false, operands, fp16_accumulator, on, shape);
}

} // namespace halfscope::kernels::device
