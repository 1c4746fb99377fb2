// A matrix product by fma, tiled through shared memory and registers: what gemm and convolution share. Per result, from
// its start, one fma a product, k ascending; so the bits are those of one thread a result.
#pragma once

#include "kernels/cuda/shared_memory.cuh"

#include <cstdint>

namespace halfscope::kernels::device {

constexpr int tile = 64, depth = 16, results = 4; ///< a block's results, its k at a time, a thread's results
constexpr int side = tile / results;              ///< threads along each axis: 16 x 16, in one row
constexpr int tiled_threads = side * side;

/// Blocks along an axis of `size` results.
inline unsigned tiles_of(std::int64_t size) { return static_cast<unsigned>((size + tile - 1) / tile); }

/// result(row, column) = start(row, column), then fma over k of left(row, k) and right(k, column); called by all
/// threads of a block, which takes the tile (blockIdx.y, blockIdx.x). left and right are asked inside of m, n and k
/// only.
template <typename Left, typename Right, typename Start, typename Leave>
__device__ void tiled_product(std::int64_t m, std::int64_t n, std::int64_t k, Left left, Right right, Start start,
                              Leave leave) {
    HALFSCOPE_SHARED(float, left_tile, [depth][tile + 1]);
    HALFSCOPE_SHARED(float, right_tile, [depth][tile]);
    const int x = static_cast<int>(threadIdx.x) % side, y = static_cast<int>(threadIdx.x) / side;
    const std::int64_t first_row = blockIdx.y * std::int64_t{tile}, first_column = blockIdx.x * std::int64_t{tile};
    float sums[results][results];
    for (int i = 0; i < results; ++i)
        for (int j = 0; j < results; ++j) {
            const std::int64_t row = first_row + y * results + i, column = first_column + x + j * side;
            sums[i][j] = row < m && column < n ? start(row, column) : 0.0f;
        }
    for (std::int64_t first = 0; first < k; first += depth) {
        for (int at = static_cast<int>(threadIdx.x); at < tile * depth; at += tiled_threads) {
            const int step = at % depth, row = at / depth;
            const bool inside = first_row + row < m && first + step < k;
            left_tile[step][row] = inside ? left(first_row + row, first + step) : 0.0f;
        }
        for (int at = static_cast<int>(threadIdx.x); at < tile * depth; at += tiled_threads) {
            const int column = at % tile, step = at / tile;
            const bool inside = first_column + column < n && first + step < k;
            right_tile[step][column] = inside ? right(first + step, first_column + column) : 0.0f;
        }
        __syncthreads();
        // A step beyond the last k would turn a sum of -0 into +0.
        const int steps = k - first < depth ? static_cast<int>(k - first) : depth;
        for (int step = 0; step < steps; ++step) {
            float a[results], b[results];
            for (int i = 0; i < results; ++i) a[i] = left_tile[step][y * results + i];
            for (int j = 0; j < results; ++j) b[j] = right_tile[step][x + j * side];
            for (int i = 0; i < results; ++i)
                for (int j = 0; j < results; ++j) sums[i][j] = __fmaf_rn(a[i], b[j], sums[i][j]);
        }
        __syncthreads();
    }
    for (int i = 0; i < results; ++i)
        for (int j = 0; j < results; ++j) {
            const std::int64_t row = first_row + y * results + i, column = first_column + x + j * side;
            if (row < m && column < n) leave(row, column, sums[i][j]);
        }
}

} // namespace halfscope::kernels::device
