// A matrix product by mma.sync, of operands that are found from their indices: what gemm and convolution on the matrix
// unit share. Per result, from its start, the unit's fused adds of blocks of k, ascending; k is filled up with zero
// products to whole instructions. (So on units with blocks of 8, where k leaves 8 or fewer, one block of zeros more: it
// would turn a sum of -0 into +0. Only sums of bf16 products below 2^-149 are -0.)
//
// A Product has rows, columns and depth; start(row, column); leave(row, column, sum); left(row, k) and right(k, column)
// as bits, for the plain product; left_eight(row, k), eight k of a row, and at_column(column).eight(k), eight columns
// of a k, for the tiled one, zero beyond the matrix. Others are asked inside only.
#pragma once

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/shared_memory.cuh"

#include <type_traits>

namespace halfscope::kernels::device::unit {

constexpr int warp = 32, tile_m = 16, tile_n = 8;

/// One warp a tile of 16 x 8 results, (blockIdx.y, blockIdx.x): operands read as the fragments want them.
template <typename T, typename Accumulator, typename Product> __device__ void plain_product(const Product &product) {
    constexpr bool wide = std::is_same_v<T, Tf32>; // one operand a register, else two
    constexpr int step = wide ? 8 : 16;
    const int lane = threadIdx.x, group = lane / 4, thread = lane % 4;
    const std::int64_t first_row = blockIdx.y * std::int64_t{tile_m}, first_column = blockIdx.x * std::int64_t{tile_n};
    const auto a_at = [&](std::int64_t row, std::int64_t k) -> std::uint32_t {
        return first_row + row < product.rows && k < product.depth ? product.left(first_row + row, k) : 0;
    };
    const auto b_at = [&](std::int64_t k, std::int64_t column) -> std::uint32_t {
        const bool inside = first_column + column < product.columns && k < product.depth;
        return inside ? product.right(k, first_column + column) : 0;
    };
    Accumulator sums{};
    for (int i = 0; i < 4; ++i) {
        const std::int64_t row = first_row + row_of(lane, i), column = first_column + column_of(lane, i);
        if (row < product.rows && column < product.columns) sums.set(i, product.start(row, column));
    }
    for (std::int64_t k = 0; k < product.depth; k += step) {
        std::uint32_t left[4], right[2];
        for (int r = 0; r < 4; ++r) {
            const int row = group + 8 * (r % 2);
            if constexpr (wide)
                left[r] = a_at(row, k + thread + 4 * (r / 2));
            else {
                const std::int64_t at = k + 2 * thread + 8 * (r / 2);
                left[r] = a_at(row, at) | (a_at(row, at + 1) << 16);
            }
        }
        for (int r = 0; r < 2; ++r) {
            if constexpr (wide)
                right[r] = b_at(k + thread + 4 * r, group);
            else {
                const std::int64_t at = k + 2 * thread + 8 * r;
                right[r] = b_at(at, group) | (b_at(at + 1, group) << 16);
            }
        }
        mma<T>(sums, left, right);
    }
    for (int i = 0; i < 4; ++i) {
        const std::int64_t row = first_row + row_of(lane, i), column = first_column + column_of(lane, i);
        if (row < product.rows && column < product.columns) product.leave(row, column, sums.get(i));
    }
}

constexpr int block_m = 128, block_n = 128, block_k = 32, threads = 256;
constexpr int warps_n = 4; ///< 2 x 4 warps, each 64 x 32 results
constexpr int warp_m = 64, warp_n = 32;
constexpr int a_pitch = block_k + 8, b_pitch = block_n + 8; ///< in elements: 16 bytes of padding spread the banks
constexpr int a_loads = block_m * block_k / 8 / threads, b_loads = block_k * block_n / 8 / threads;

struct Tiles {
    std::uint16_t *a, *b;
};
/// The same shared memory for every product.
__device__ inline Tiles tiles_of_block() {
    HALFSCOPE_SHARED(std::uint16_t, a, [block_m * a_pitch]);
    HALFSCOPE_SHARED(std::uint16_t, b, [block_k * b_pitch]);
    return {a, b};
}

/// 128 x 128 results a block of 8 warps, (blockIdx.y, blockIdx.x), 32 of k at a time through shared memory,
/// double-buffered in registers. 16-bit operands.
template <typename T, typename Accumulator, typename Product> __device__ void tiled_product(const Product &product) {
    const auto [a_tile, b_tile] = tiles_of_block();
    const int lane = threadIdx.x % warp, warp_id = threadIdx.x / warp;
    const int warp_row = warp_id / warps_n * warp_m, warp_column = warp_id % warps_n * warp_n;
    const std::int64_t first_row = blockIdx.y * std::int64_t{block_m},
                       first_column = blockIdx.x * std::int64_t{block_n};

    constexpr int tiles_m = warp_m / tile_m, tiles_n = warp_n / tile_n;
    Accumulator sums[tiles_m][tiles_n] = {};
    HALFSCOPE_UNROLL
    for (int i = 0; i < tiles_m; ++i) HALFSCOPE_UNROLL
    for (int j = 0; j < tiles_n; ++j) HALFSCOPE_UNROLL
    for (int v = 0; v < 4; ++v) {
        const std::int64_t row = first_row + warp_row + i * tile_m + row_of(lane, v);
        const std::int64_t column = first_column + warp_column + j * tile_n + column_of(lane, v);
        if (row < product.rows && column < product.columns) sums[i][j].set(v, product.start(row, column));
    }

    static_assert(threads % (block_n / 8) == 0); // a thread's columns of b are the same in every load
    const int thread = static_cast<int>(threadIdx.x);
    const auto columns = product.at_column(first_column + thread % (block_n / 8) * 8);
    uint4 a_next[a_loads], b_next[b_loads];
    const auto fetch = [&](std::int64_t k) {
        HALFSCOPE_UNROLL
        for (int l = 0; l < a_loads; ++l) {
            const int at = thread + l * threads;
            a_next[l] = product.left_eight(first_row + at / (block_k / 8), k + at % (block_k / 8) * 8);
        }
        HALFSCOPE_UNROLL
        for (int l = 0; l < b_loads; ++l) b_next[l] = columns.eight(k + (thread + l * threads) / (block_n / 8));
    };
    const auto keep = [&] {
        HALFSCOPE_UNROLL
        for (int l = 0; l < a_loads; ++l) {
            const int at = thread + l * threads, row = at / (block_k / 8), column = at % (block_k / 8) * 8;
            *reinterpret_cast<uint4 *>(a_tile + row * a_pitch + column) = a_next[l];
        }
        HALFSCOPE_UNROLL
        for (int l = 0; l < b_loads; ++l) {
            const int at = thread + l * threads, row = at / (block_n / 8), column = at % (block_n / 8) * 8;
            *reinterpret_cast<uint4 *>(b_tile + row * b_pitch + column) = b_next[l];
        }
    };

    if (product.depth > 0) fetch(0);
    for (std::int64_t k = 0; k < product.depth; k += block_k) {
        __syncthreads();
        keep();
        __syncthreads();
        if (k + block_k < product.depth) fetch(k + block_k);
        // No instruction of zeros alone beyond the last k.
        for (int step = 0; step < block_k && k + step < product.depth; step += 16) {
            std::uint32_t left[tiles_m][4], right[tiles_n][2];
            HALFSCOPE_UNROLL
            for (int i = 0; i < tiles_m; ++i) {
                const auto *from = a_tile + (warp_row + i * tile_m + lane % 16) * a_pitch + step + lane / 16 * 8;
                HALFSCOPE_PTX_OF_MEMORY("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];",
                                        HALFSCOPE_OPERANDS(HALFSCOPE_OUT(left[i][0]), HALFSCOPE_OUT(left[i][1]),
                                                           HALFSCOPE_OUT(left[i][2]), HALFSCOPE_OUT(left[i][3])),
                                        HALFSCOPE_OPERANDS(HALFSCOPE_IN(shared_address(from))));
            }
            HALFSCOPE_UNROLL
            for (int j = 0; j < tiles_n; ++j) {
                const auto *from = b_tile + (step + lane % 16) * b_pitch + warp_column + j * tile_n;
                HALFSCOPE_PTX_OF_MEMORY("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];",
                                        HALFSCOPE_OPERANDS(HALFSCOPE_OUT(right[j][0]), HALFSCOPE_OUT(right[j][1])),
                                        HALFSCOPE_OPERANDS(HALFSCOPE_IN(shared_address(from))));
            }
            HALFSCOPE_UNROLL
            for (int i = 0; i < tiles_m; ++i) HALFSCOPE_UNROLL
            for (int j = 0; j < tiles_n; ++j) mma<T>(sums[i][j], left[i], right[j]);
        }
    }
    HALFSCOPE_UNROLL
    for (int i = 0; i < tiles_m; ++i) HALFSCOPE_UNROLL
    for (int j = 0; j < tiles_n; ++j) HALFSCOPE_UNROLL
    for (int v = 0; v < 4; ++v) {
        const std::int64_t row = first_row + warp_row + i * tile_m + row_of(lane, v);
        const std::int64_t column = first_column + warp_column + j * tile_n + column_of(lane, v);
        if (row < product.rows && column < product.columns) product.leave(row, column, sums[i][j].get(v));
    }
}

template <typename T, typename Accumulator, typename Product> __global__ void plain_kernel(Product product) {
    product.enter(blockIdx.z);
    plain_product<T, Accumulator>(product);
}
template <typename T, typename Accumulator, typename Product>
__global__ void __launch_bounds__(threads) tiled_kernel(Product product) {
    product.enter(blockIdx.z);
    tiled_product<T, Accumulator>(product);
}

/// Runs `count` products at once, product.enter(z) each (z < count <= 65535), with results of rows x columns.
template <typename T, typename Accumulator, typename Product>
void launch_products(const char *name, bool plain, const Product &product, std::int64_t rows, std::int64_t columns,
                     std::int64_t count) {
    const auto blocks = [](std::int64_t size, int each) { return static_cast<unsigned>((size + each - 1) / each); };
    const auto layers = static_cast<unsigned>(count);
    if (plain)
        kernels::launch(name, plain_kernel<T, Accumulator, Product>,
                        dim3(blocks(columns, tile_n), blocks(rows, tile_m), layers), warp, product);
    else if constexpr (!std::is_same_v<T, Tf32>)
        kernels::launch(name, tiled_kernel<T, Accumulator, Product>,
                        dim3(blocks(columns, block_n), blocks(rows, block_m), layers), threads, product);
    else
        throw std::invalid_argument("the tiled product on the matrix unit takes fp16 and bf16");
}

} // namespace halfscope::kernels::device::unit
