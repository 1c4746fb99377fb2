// Batched matrix products on the matrix unit by mma.sync: operands are read where they lie, in eights along whichever
// axis is dense.
#include "kernels/cuda/eight_elements.cuh"
#include "kernels/cuda/operations/matmul.cuh"
#include "kernels/cuda/unit_product.cuh"

#include <algorithm>

namespace halfscope::kernels::device::operations {
namespace {

using unit::Along;

/// One operand of a batch. `line` is a row of a or a column of b.
struct Lines {
    const std::uint16_t *data;
    std::int64_t line_stride, k_stride, lines, depth;

    [[nodiscard]] __device__ std::uint32_t at(std::int64_t line, std::int64_t k) const {
        return data[line * line_stride + k * k_stride];
    }
    /// Eight along one axis, whose stride is 1: elements `at` and on of row `of`.
    [[nodiscard]] __device__ static uint4 eight(const std::uint16_t *data, std::int64_t of, std::int64_t at,
                                                std::int64_t stride, std::int64_t rows, std::int64_t length) {
        const bool aligned = stride % 8 == 0 && reinterpret_cast<std::uint64_t>(data) % 16 == 0;
        return eight_of(data + of * stride, at, length, of < rows, aligned);
    }
    template <Along along> [[nodiscard]] __device__ uint4 eight(std::int64_t line, std::int64_t k) const {
        return along == Along::k ? eight(data, line, k, line_stride, lines, depth)
                                 : eight(data, k, line, k_stride, depth, lines);
    }
};

template <Along of_left, Along of_right, typename Value> struct Product {
    static constexpr Along left_along = of_left, right_along = of_right;
    std::int64_t rows, columns, depth, batch;
    Matrices of_a, of_b;
    Finish finish;
    Lines a, b;
    FinishOfOne end;

    __device__ void enter(unsigned z) {
        batch += z;
        a = {static_cast<const std::uint16_t *>(of_a.values.data) + of_a.batches.offset(batch), of_a.row_stride,
             of_a.column_stride, rows, depth};
        b = {static_cast<const std::uint16_t *>(of_b.values.data) + of_b.batches.offset(batch), of_b.column_stride,
             of_b.row_stride, columns, depth};
        end = finish.of(batch);
    }
    [[nodiscard]] __device__ Value start(std::int64_t, std::int64_t) const { return Value(0.0f); }
    __device__ void leave(std::int64_t row, std::int64_t column, Value sum) const {
        end.put(row, column, to_fp32(sum));
    }
    [[nodiscard]] __device__ std::uint32_t left(std::int64_t row, std::int64_t k) const { return a.at(row, k); }
    [[nodiscard]] __device__ std::uint32_t right(std::int64_t k, std::int64_t column) const { return b.at(column, k); }
    [[nodiscard]] __device__ uint4 left_eight(std::int64_t row, std::int64_t k) const {
        return a.eight<left_along>(row, k);
    }
    [[nodiscard]] __device__ uint4 right_eight(std::int64_t k, std::int64_t column) const {
        return b.eight<Along::k>(column, k);
    }
    struct Columns {
        const Lines &b;
        std::int64_t column;
        [[nodiscard]] __device__ uint4 eight(std::int64_t k) const { return b.eight<Along::lines>(column, k); }
    };
    [[nodiscard]] __device__ Columns at_column(std::int64_t column) const { return {b, column}; }
};

template <Along left, Along right>
void launch(const Matrices &a, const Matrices &b, const Finish &finish, UnitAccumulator accumulator,
            std::int64_t batches) {
    constexpr std::int64_t layers = 65535; // of a grid
    with_unit_types(accumulator, a.values.dtype, [&]<typename T, typename Accumulator>() {
        for (std::int64_t first = 0; first < batches; first += layers) {
            const Product<left, right, typename Accumulator::Value> product{a.rows, b.columns, a.columns, first, a,
                                                                            b,      finish,    {},        {},    {}};
            unit::launch_products<T, Accumulator>("matmul kernel on the matrix unit", false, product, a.rows, b.columns,
                                                  std::min(layers, batches - first));
        }
    });
}

} // namespace

void unit_matmul(const Matrices &a, const Matrices &b, const Finish &finish, UnitAccumulator accumulator,
                 std::int64_t batches) {
    // An operand is a row-major matrix, or the transpose of one.
    const bool left_k = a.column_stride == 1, right_k = b.row_stride == 1 && b.column_stride != 1;
    if (left_k && right_k) return launch<Along::k, Along::k>(a, b, finish, accumulator, batches);
    if (left_k) return launch<Along::k, Along::lines>(a, b, finish, accumulator, batches);
    if (right_k) return launch<Along::lines, Along::k>(a, b, finish, accumulator, batches);
    launch<Along::lines, Along::lines>(a, b, finish, accumulator, batches);
}

} // namespace halfscope::kernels::device::operations
