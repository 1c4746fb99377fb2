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

#include <cstdint>
#include <type_traits>

namespace halfscope::kernels::device::unit {

constexpr int warp = 32, tile_m = 16, tile_n = 8;

/// What lies side by side in an operand's eights.
enum class Along : std::uint8_t { k, lines }; ///< lines: rows of the left operand, columns of the right one

/// A base of products whose operands lie as row-major matrices do.
struct RowMajor {
    static constexpr Along left_along = Along::k, right_along = Along::lines;
};

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
constexpr int lines = 128; ///< of either operand
static_assert(block_m == lines && block_n == lines);
/// An operand's tile in shared memory: [lines][k] or [k][lines], 16 bytes of padding to spread the banks.
constexpr int pitch_of(Along along) { return (along == Along::k ? block_k : lines) + 8; }
constexpr int tile_elements = lines * pitch_of(Along::k); ///< the larger of the two
constexpr int loads = lines * block_k / 8 / threads;      ///< eights of an operand's tile that a thread moves

/// Where the eight that a thread moves in load `l` begins.
template <Along along> struct Eight {
    int line, k;
    __device__ Eight(int thread, int l) {
        constexpr int in_row = (along == Along::k ? block_k : lines) / 8;
        const int at = thread + l * threads, across = at % in_row * 8, down = at / in_row;
        line = along == Along::k ? down : across;
        k = along == Along::k ? across : down;
    }
    [[nodiscard]] __device__ int offset() const {
        return along == Along::k ? line * pitch_of(along) + k : k * pitch_of(along) + line;
    }
};

struct Tiles {
    std::uint16_t *a, *b;
};
/// The same shared memory for every product.
__device__ inline Tiles tiles_of_block() {
    HALFSCOPE_SHARED(std::uint16_t, a, [tile_elements]);
    HALFSCOPE_SHARED(std::uint16_t, b, [tile_elements]);
    return {a, b};
}

/// The fragments of 16 rows of a and of 8 columns of b, from k `step` of their tiles on.
template <Along along>
__device__ void load_left(std::uint32_t (&registers)[4], const std::uint16_t *tile, int row, int step, int lane) {
    if constexpr (along == Along::k) {
        const auto *from = tile + (row + lane % 16) * pitch_of(along) + step + lane / 16 * 8;
        HALFSCOPE_PTX_OF_MEMORY("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];",
                                HALFSCOPE_OPERANDS(HALFSCOPE_OUT(registers[0]), HALFSCOPE_OUT(registers[1]),
                                                   HALFSCOPE_OUT(registers[2]), HALFSCOPE_OUT(registers[3])),
                                HALFSCOPE_OPERANDS(HALFSCOPE_IN(shared_address(from))));
    } else {
        const auto *from = tile + (step + lane / 16 * 8 + lane % 8) * pitch_of(along) + row + lane / 8 % 2 * 8;
        HALFSCOPE_PTX_OF_MEMORY("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];",
                                HALFSCOPE_OPERANDS(HALFSCOPE_OUT(registers[0]), HALFSCOPE_OUT(registers[1]),
                                                   HALFSCOPE_OUT(registers[2]), HALFSCOPE_OUT(registers[3])),
                                HALFSCOPE_OPERANDS(HALFSCOPE_IN(shared_address(from))));
    }
}
template <Along along>
__device__ void load_right(std::uint32_t (&registers)[2], const std::uint16_t *tile, int column, int step, int lane) {
    if constexpr (along == Along::k) {
        const auto *from = tile + (column + lane % 8) * pitch_of(along) + step + lane / 8 % 2 * 8;
        HALFSCOPE_PTX_OF_MEMORY("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];",
                                HALFSCOPE_OPERANDS(HALFSCOPE_OUT(registers[0]), HALFSCOPE_OUT(registers[1])),
                                HALFSCOPE_OPERANDS(HALFSCOPE_IN(shared_address(from))));
    } else {
        const auto *from = tile + (step + lane % 16) * pitch_of(along) + column;
        HALFSCOPE_PTX_OF_MEMORY("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];",
                                HALFSCOPE_OPERANDS(HALFSCOPE_OUT(registers[0]), HALFSCOPE_OUT(registers[1])),
                                HALFSCOPE_OPERANDS(HALFSCOPE_IN(shared_address(from))));
    }
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
    const bool busy = first_row + warp_row < product.rows && first_column + warp_column < product.columns;
    const auto over_tiles = [](const auto &body) {
        HALFSCOPE_UNROLL
        for (int i = 0; i < tiles_m; ++i) {
            HALFSCOPE_UNROLL
            for (int j = 0; j < tiles_n; ++j) body(i, j);
        }
    };
    /// body(i, j, v, row, column) for value v of this thread's part of tile (i, j), inside of the matrix.
    const auto over_results = [&](const auto &body) {
        over_tiles([&](int i, int j) {
            HALFSCOPE_UNROLL
            for (int v = 0; v < 4; ++v) {
                const std::int64_t row = first_row + warp_row + i * tile_m + row_of(lane, v);
                const std::int64_t column = first_column + warp_column + j * tile_n + column_of(lane, v);
                if (row < product.rows && column < product.columns) body(i, j, v, row, column);
            }
        });
    };
    Accumulator sums[tiles_m][tiles_n] = {};
    over_results([&](int i, int j, int v, std::int64_t row, std::int64_t column) {
        sums[i][j].set(v, product.start(row, column));
    });

    constexpr Along left_along = Product::left_along, right_along = Product::right_along;
    const int thread = static_cast<int>(threadIdx.x);
    // A thread's columns of b are the same in every load: what belongs to them is worked out once.
    static_assert(threads % (lines / 8) == 0);
    const auto columns = [&] {
        if constexpr (right_along == Along::lines)
            return product.at_column(first_column + Eight<Along::lines>(thread, 0).line);
        else
            return 0;
    }();
    uint4 a_next[loads], b_next[loads];
    const auto fetch = [&](std::int64_t k) {
        HALFSCOPE_UNROLL
        for (int l = 0; l < loads; ++l) {
            const Eight<left_along> of(thread, l);
            a_next[l] = product.left_eight(first_row + of.line, k + of.k);
        }
        HALFSCOPE_UNROLL
        for (int l = 0; l < loads; ++l) {
            const Eight<right_along> of(thread, l);
            if constexpr (right_along == Along::k)
                b_next[l] = product.right_eight(k + of.k, first_column + of.line);
            else
                b_next[l] = columns.eight(k + of.k);
        }
    };
    const auto keep = [&] {
        HALFSCOPE_UNROLL
        for (int l = 0; l < loads; ++l) {
            *reinterpret_cast<uint4 *>(a_tile + Eight<left_along>(thread, l).offset()) = a_next[l];
            *reinterpret_cast<uint4 *>(b_tile + Eight<right_along>(thread, l).offset()) = b_next[l];
        }
    };

    if (product.depth > 0) fetch(0);
    for (std::int64_t k = 0; k < product.depth; k += block_k) {
        __syncthreads();
        keep();
        __syncthreads();
        if (k + block_k < product.depth) fetch(k + block_k);
        // No instruction of zeros alone beyond the last k, and none by warps with no results.
        for (int step = 0; busy && step < block_k && k + step < product.depth; step += 16) {
            std::uint32_t left[tiles_m][4], right[tiles_n][2];
            HALFSCOPE_UNROLL
            for (int i = 0; i < tiles_m; ++i) load_left<left_along>(left[i], a_tile, warp_row + i * tile_m, step, lane);
            HALFSCOPE_UNROLL
            for (int j = 0; j < tiles_n; ++j)
                load_right<right_along>(right[j], b_tile, warp_column + j * tile_n, step, lane);
            over_tiles([&](int i, int j) { mma<T>(sums[i][j], left[i], right[j]); });
        }
    }
    over_results([&](int i, int j, int v, std::int64_t row, std::int64_t column) {
        product.leave(row, column, sums[i][j].get(v));
    });
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
