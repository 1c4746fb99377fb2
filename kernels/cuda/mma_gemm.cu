#include "kernels/cuda/mma_gemm.h"

#include "kernels/cuda/eight_elements.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/shared_memory.cuh"

#include <stdexcept>
#include <type_traits>

namespace halfscope::kernels::device {
namespace {

constexpr int warp = 32, tile_m = 16, tile_n = 8;

template <typename T, typename Accumulator>
__global__ void reference_kernel(const T *a, const T *b, const typename Accumulator::Value *c,
                                 typename Accumulator::Value *d, GemmShape shape) {
    constexpr bool wide = std::is_same_v<T, Tf32>; // one operand a register, else two
    constexpr int step = wide ? 8 : 16;
    const int lane = threadIdx.x, group = lane / 4, thread = lane % 4;
    const std::int64_t first_row = blockIdx.y * std::int64_t{tile_m}, first_column = blockIdx.x * std::int64_t{tile_n};
    const auto a_at = [&](std::int64_t row, std::int64_t k) {
        return first_row + row < shape.m ? bits_of_operand(a[(first_row + row) * shape.k + k]) : 0u;
    };
    const auto b_at = [&](std::int64_t k, std::int64_t column) {
        return first_column + column < shape.n ? bits_of_operand(b[k * shape.n + first_column + column]) : 0u;
    };
    Accumulator sums{};
    for (int i = 0; i < 4; ++i) {
        const std::int64_t row = first_row + row_of(lane, i), column = first_column + column_of(lane, i);
        if (c != nullptr && row < shape.m && column < shape.n) sums.set(i, c[row * shape.n + column]);
    }
    for (std::int64_t k = 0; k < shape.k; k += step) {
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
        if (row < shape.m && column < shape.n) d[row * shape.n + column] = sums.get(i);
    }
}

constexpr int block_m = 128, block_n = 128, block_k = 32, threads = 256;
constexpr int warps_n = 4; ///< 2 x 4 warps, each 64 x 32 results
constexpr int warp_m = 64, warp_n = 32;
constexpr int a_pitch = block_k + 8, b_pitch = block_n + 8; ///< in elements: 16 bytes of padding spread the banks
constexpr int a_loads = block_m * block_k / 8 / threads, b_loads = block_k * block_n / 8 / threads;

template <typename T, typename Accumulator>
__global__ void __launch_bounds__(threads) tiled_kernel(const T *a, const T *b, const typename Accumulator::Value *c,
                                                        typename Accumulator::Value *d, GemmShape shape) {
    HALFSCOPE_SHARED(T, a_tile, [block_m * a_pitch]);
    HALFSCOPE_SHARED(T, b_tile, [block_k * b_pitch]);
    const int lane = threadIdx.x % warp, warp_id = threadIdx.x / warp;
    const int warp_row = warp_id / warps_n * warp_m, warp_column = warp_id % warps_n * warp_n;
    const std::int64_t first_row = blockIdx.y * std::int64_t{block_m},
                       first_column = blockIdx.x * std::int64_t{block_n};
    const bool a_aligned = shape.k % 8 == 0, b_aligned = shape.n % 8 == 0; // cudaMalloc aligns the start

    constexpr int tiles_m = warp_m / tile_m, tiles_n = warp_n / tile_n;
    Accumulator sums[tiles_m][tiles_n] = {};
    for (int i = 0; i < tiles_m; ++i)
        for (int j = 0; j < tiles_n; ++j)
            for (int v = 0; v < 4; ++v) {
                const std::int64_t row = first_row + warp_row + i * tile_m + row_of(lane, v);
                const std::int64_t column = first_column + warp_column + j * tile_n + column_of(lane, v);
                if (c != nullptr && row < shape.m && column < shape.n) sums[i][j].set(v, c[row * shape.n + column]);
            }

    uint4 a_next[a_loads], b_next[b_loads];
    const auto fetch = [&](std::int64_t k) {
        for (int l = 0; l < a_loads; ++l) {
            const int at = static_cast<int>(threadIdx.x) + l * threads, row = at / (block_k / 8),
                      column = at % (block_k / 8) * 8;
            a_next[l] =
                eight_of(a + (first_row + row) * shape.k, k + column, shape.k, first_row + row < shape.m, a_aligned);
        }
        for (int l = 0; l < b_loads; ++l) {
            const int at = static_cast<int>(threadIdx.x) + l * threads, row = at / (block_n / 8),
                      column = at % (block_n / 8) * 8;
            b_next[l] = eight_of(b + (k + row) * shape.n, first_column + column, shape.n, k + row < shape.k, b_aligned);
        }
    };
    const auto leave = [&] {
        for (int l = 0; l < a_loads; ++l) {
            const int at = static_cast<int>(threadIdx.x) + l * threads, row = at / (block_k / 8),
                      column = at % (block_k / 8) * 8;
            *reinterpret_cast<uint4 *>(a_tile + row * a_pitch + column) = a_next[l];
        }
        for (int l = 0; l < b_loads; ++l) {
            const int at = static_cast<int>(threadIdx.x) + l * threads, row = at / (block_n / 8),
                      column = at % (block_n / 8) * 8;
            *reinterpret_cast<uint4 *>(b_tile + row * b_pitch + column) = b_next[l];
        }
    };

    if (shape.k > 0) fetch(0);
    for (std::int64_t k = 0; k < shape.k; k += block_k) {
        __syncthreads();
        leave();
        __syncthreads();
        if (k + block_k < shape.k) fetch(k + block_k);
        // A block of zeros beyond the last k would turn a sum of -0 into +0.
        for (int step = 0; step < block_k && k + step < shape.k; step += 16) {
            std::uint32_t left[tiles_m][4], right[tiles_n][2];
            for (int i = 0; i < tiles_m; ++i) {
                const T *from = a_tile + (warp_row + i * tile_m + lane % 16) * a_pitch + step + lane / 16 * 8;
                HALFSCOPE_PTX_OF_MEMORY("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];",
                                        HALFSCOPE_OPERANDS(HALFSCOPE_OUT(left[i][0]), HALFSCOPE_OUT(left[i][1]),
                                                           HALFSCOPE_OUT(left[i][2]), HALFSCOPE_OUT(left[i][3])),
                                        HALFSCOPE_OPERANDS(HALFSCOPE_IN(shared_address(from))));
            }
            for (int j = 0; j < tiles_n; ++j) {
                const T *from = b_tile + (step + lane % 16) * b_pitch + warp_column + j * tile_n;
                HALFSCOPE_PTX_OF_MEMORY("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];",
                                        HALFSCOPE_OPERANDS(HALFSCOPE_OUT(right[j][0]), HALFSCOPE_OUT(right[j][1])),
                                        HALFSCOPE_OPERANDS(HALFSCOPE_IN(shared_address(from))));
            }
            for (int i = 0; i < tiles_m; ++i)
                for (int j = 0; j < tiles_n; ++j) mma<T>(sums[i][j], left[i], right[j]);
        }
    }
    for (int i = 0; i < tiles_m; ++i)
        for (int j = 0; j < tiles_n; ++j)
            for (int v = 0; v < 4; ++v) {
                const std::int64_t row = first_row + warp_row + i * tile_m + row_of(lane, v);
                const std::int64_t column = first_column + warp_column + j * tile_n + column_of(lane, v);
                if (row < shape.m && column < shape.n) d[row * shape.n + column] = sums[i][j].get(v);
            }
}

unsigned blocks(std::int64_t size, int each) { return static_cast<unsigned>((size + each - 1) / each); }

template <typename T, typename Accumulator>
void launch(bool reference, const GemmOperands &on, const GemmShape &shape) {
    using Value = typename Accumulator::Value;
    const auto *a = static_cast<const T *>(on.a), *b = static_cast<const T *>(on.b);
    const auto *c = static_cast<const Value *>(on.c);
    auto *d = static_cast<Value *>(on.d);
    if (reference)
        kernels::launch("mma gemm reference kernel", reference_kernel<T, Accumulator>,
                        dim3(blocks(shape.n, tile_n), blocks(shape.m, tile_m)), warp, a, b, c, d, shape);
    else if constexpr (!std::is_same_v<T, Tf32>)
        kernels::launch("mma gemm kernel", tiled_kernel<T, Accumulator>,
                        dim3(blocks(shape.n, block_n), blocks(shape.m, block_m)), threads, a, b, c, d, shape);
    else
        throw std::invalid_argument("the tiled matrix product takes fp16 and bf16");
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
