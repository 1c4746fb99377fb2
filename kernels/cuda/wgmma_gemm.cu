#include "kernels/cuda/wgmma_gemm.h"

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/eight_elements.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/matmul.cuh"
#include "kernels/cuda/shared_memory.cuh"
#include "kernels/cuda/wgmma.cuh"
#include "kernels/on_device.h"

#include <stdexcept>

namespace halfscope::kernels::device {
namespace {

constexpr int warpgroup = 128, group_rows = 64, unit_k = 16, reference_columns = 8;
constexpr std::size_t reference_bytes = std::size_t{group_rows + reference_columns} * unit_k * 2;

/// What a block's results are: the upper left corner and the matrix around them.
template <typename Value> struct Results {
    const Value *c; ///< null: +0
    Value *d;
    GemmShape shape;
    std::int64_t first_row, first_column;

    template <typename Accumulator> __device__ void start(Accumulator &sums, int thread) const {
        HALFSCOPE_UNROLL
        for (int i = 0; i < Accumulator::values; ++i) {
            const std::int64_t row = first_row + wide_row_of(thread, i),
                               column = first_column + wide_column_of(thread, i);
            const bool given = c != nullptr && row < shape.m && column < shape.n;
            sums.set(i, given ? c[row * shape.n + column] : Value(0.0f));
        }
    }
    template <typename Accumulator> __device__ void leave(const Accumulator &sums, int thread) const {
        leave(sums, thread, [&](std::int64_t row, std::int64_t column, Value sum) { d[row * shape.n + column] = sum; });
    }
    template <typename Accumulator, typename Put>
    __device__ void leave(const Accumulator &sums, int thread, const Put &put) const {
        HALFSCOPE_UNROLL
        for (int i = 0; i < Accumulator::values; ++i) {
            const std::int64_t row = first_row + wide_row_of(thread, i),
                               column = first_column + wide_column_of(thread, i);
            if (row < shape.m && column < shape.n) put(row, column, sums.get(i));
        }
    }
};

/// One warpgroup, 64 x 8 results.
template <typename T, typename Accumulator>
__global__ void reference_kernel(const T *a, const T *b, const typename Accumulator::Value *c,
                                 typename Accumulator::Value *d, GemmShape shape) {
#ifdef HALFSCOPE_HAS_WGMMA
    // Without swizzling, an operand is made of matrices of 8 rows (of b: columns) x 8 of k, 128 bytes each, a row 16
    // bytes: here those of one k after each other, then those of the next eight of k.
    constexpr int a_half = group_rows * 8, b_half = reference_columns * 8; ///< elements of eight of k
    HALFSCOPE_DYNAMIC_SHARED(memory);
    T *a_tile = reinterpret_cast<T *>(memory), *b_tile = a_tile + 2 * a_half;
    const int thread = static_cast<int>(threadIdx.x);
    const Results<typename Accumulator::Value> results{c, d, shape, blockIdx.y * std::int64_t{group_rows},
                                                       blockIdx.x * std::int64_t{reference_columns}};
    Accumulator sums;
    results.start(sums, thread);
    for (std::int64_t k = 0; k < shape.k; k += unit_k) {
        for (int at = thread; at < group_rows * unit_k; at += warpgroup) {
            const int row = at / unit_k, step = at % unit_k;
            const bool inside = results.first_row + row < shape.m;
            a_tile[step / 8 * a_half + row * 8 + step % 8] =
                inside ? a[(results.first_row + row) * shape.k + k + step] : T(0.0f);
        }
        for (int at = thread; at < reference_columns * unit_k; at += warpgroup) {
            const int column = at % reference_columns, step = at / reference_columns;
            const bool inside = results.first_column + column < shape.n;
            b_tile[step / 8 * b_half + column * 8 + step % 8] =
                inside ? b[(k + step) * shape.n + results.first_column + column] : T(0.0f);
        }
        fence_for_wgmma();
        __syncthreads();
        // leading: from eight of k to the next; stride: from eight rows to the next.
        const std::uint64_t left = matrix_descriptor(shared_address(a_tile), a_half * 2, 128, Swizzle::none);
        const std::uint64_t right = matrix_descriptor(shared_address(b_tile), b_half * 2, 128, Swizzle::none);
        begin_wgmma();
        wgmma_of_k<T>(sums, left, right);
        end_group_of_wgmma();
        wait_for_wgmma<0>();
        __syncthreads();
    }
    results.leave(sums, thread);
#else
    __trap();
#endif
}

constexpr int block_m = 128, block_n = 256, block_k = 64, threads = 256;
constexpr int stages = 4;
[[maybe_unused]] constexpr int ahead = 2;       ///< stages that are being filled; unused where there is no wgmma
constexpr int swizzled_row = 128;               ///< bytes: 64 operands
constexpr int a_bytes = block_m * swizzled_row; ///< of a stage: [row][64 of k], or slabs of 64 rows
constexpr int slab = 64, slab_bytes = block_k * swizzled_row; ///< [k][64 rows or columns]
constexpr int stage_bytes = a_bytes + block_n * swizzled_row; ///< b: [column][64 of k], or slabs of 64 columns
static_assert(a_bytes == block_m / slab * slab_bytes);
constexpr std::size_t shared_bytes = std::size_t{stages} * stage_bytes;
[[maybe_unused]] constexpr int band = 8; ///< rows of blocks that go together, so that the cache keeps their part of a

/// Where the 128-byte swizzling puts 16-byte chunk `chunk` of row `row`.
[[maybe_unused]] __device__ inline int swizzled(int row, int chunk) {
    return row * swizzled_row + (chunk ^ row % 8) * 16;
}

/// An operand: `line` is a row of a or a column of b.
template <typename T> struct Lines {
    const T *data;
    std::int64_t lines, depth, first_line;
};

/// Fills one operand's part of a stage with 64 of k. `along_lines`: it lies [k, lines], else [lines, k]. `aligned`:
/// what lies side by side begins at multiples of 16 bytes, and its count is one of 8.
template <int count, bool along_lines, bool aligned, typename T>
__device__ void fill_lines(unsigned char *to, const Lines<T> &from, std::int64_t k) {
    constexpr int chunks = (along_lines ? count : block_k) / 8;
    HALFSCOPE_UNROLL
    for (int at = static_cast<int>(threadIdx.x); at < count * block_k / 8; at += threads) {
        const int down = at / chunks, chunk = at % chunks;
        const std::int64_t line = from.first_line + (along_lines ? chunk * 8 : down);
        const std::int64_t step = k + (along_lines ? down : chunk * 8);
        const bool inside = line < from.lines && step < from.depth;
        const T *source = along_lines ? from.data + step * from.lines + line : from.data + line * from.depth + step;
        unsigned char *place = to + (along_lines ? chunk / 8 * slab_bytes : 0) + swizzled(down, chunk % 8);
        if constexpr (aligned)
            begin_copy(shared_address(place), inside ? source : from.data, inside);
        else // of a row of b
            *reinterpret_cast<uint4 *>(place) =
                eight_of(from.data + step * from.lines, line, from.lines, inside, false);
    }
}

template <typename T, typename Accumulator, bool a_rows, bool b_columns, bool aligned>
__global__ void __launch_bounds__(threads, 1)
    tiled_kernel(const T *a, const T *b, const typename Accumulator::Value *c, typename Accumulator::Value *d,
                 operations::Finish finish, GemmShape shape, int blocks_m, int blocks_n) {
#ifdef HALFSCOPE_HAS_WGMMA
    HALFSCOPE_DYNAMIC_SHARED(memory);
    const int thread = static_cast<int>(threadIdx.x), group = thread / warpgroup;
    const int in_band = static_cast<int>(blockIdx.x) % (band * blocks_n);
    const int first_block = static_cast<int>(blockIdx.x) / (band * blocks_n) * band;
    const int height = blocks_m - first_block < band ? blocks_m - first_block : band;
    const std::int64_t first_row = (first_block + in_band % height) * std::int64_t{block_m};
    const std::int64_t first_column = in_band / height * std::int64_t{block_n};
    const std::int64_t tiles = (shape.k + block_k - 1) / block_k;
    const auto stage_of = [&](std::int64_t tile) { return memory + tile % stages * stage_bytes; };
    const Lines<T> left_lines{a, shape.m, shape.k, first_row}, right_lines{b, shape.n, shape.k, first_column};
    const auto fill = [&](std::int64_t tile) {
        if (tile < tiles) {
            fill_lines<block_m, a_rows, true>(stage_of(tile), left_lines, tile * block_k);
            fill_lines<block_n, b_columns, aligned>(stage_of(tile) + a_bytes, right_lines, tile * block_k);
        }
        end_group_of_copies(); // an empty group too: waiting counts groups
    };
    for (int tile = 0; tile < ahead; ++tile) fill(tile);

    const Results<typename Accumulator::Value> results{c, d, shape, first_row + group * group_rows, first_column};
    Accumulator sums;
    results.start(sums, thread % warpgroup);

    // 16 of k. An operand of [line][k]: eight lines are 1024 bytes apart, 16 of k are 32 bytes inside of the swizzled
    // row. In slabs: they are the leading dimension, eight of k are 1024 bytes apart, and a warpgroup's 64 rows are
    // one.
    const auto multiply = [&](std::uint32_t stage, int step) {
        constexpr std::uint32_t eight = 8 * swizzled_row, along_k = 2 * unit_k, down_k = unit_k * swizzled_row;
        static_assert(group_rows * swizzled_row == slab_bytes);
        const auto at = static_cast<std::uint32_t>(step);
        const std::uint32_t left = stage + static_cast<std::uint32_t>(group * slab_bytes);
        const std::uint32_t right = stage + static_cast<std::uint32_t>(a_bytes);
        wgmma_wide<T, a_rows, b_columns>(
            sums, matrix_descriptor(left + at * (a_rows ? down_k : along_k), slab_bytes, eight, Swizzle::bytes_128),
            matrix_descriptor(right + at * (b_columns ? down_k : along_k), slab_bytes, eight, Swizzle::bytes_128));
    };
    const std::int64_t whole_tiles = shape.k / block_k;
    const auto begin_tile = [&](std::int64_t tile) {
        wait_for_copies<ahead - 1>(); // this thread's part of the tile is there,
        fence_for_wgmma();
        __syncthreads(); // and everybody's. All have waited for the products of tile - 2: its stage is free.
        fill(tile + ahead);
        const std::uint32_t stage = shared_address(stage_of(tile));
        begin_wgmma();
        HALFSCOPE_UNROLL
        for (int step = 0; step < block_k / unit_k; ++step) multiply(stage, step);
        end_group_of_wgmma();
    };
    // The first tile by itself: entering the loop with registers that the loads of c defined, ptxas serialises all
    // products (C7515).
    if (whole_tiles > 0) {
        begin_tile(0);
        for (std::int64_t tile = 1; tile < whole_tiles; ++tile) {
            begin_tile(tile);
            wait_for_wgmma<1>();
        }
        wait_for_wgmma<0>();
    }
    if (whole_tiles < tiles) {
        wait_for_copies<0>();
        fence_for_wgmma();
        __syncthreads();
        const std::uint32_t stage = shared_address(stage_of(whole_tiles));
        // One by one, and none of zeros alone beyond the last k: that would turn a sum of -0 into +0.
        for (int step = 0; step * unit_k < static_cast<int>(shape.k % block_k); ++step) {
            begin_wgmma();
            multiply(stage, step);
            end_group_of_wgmma();
            wait_for_wgmma<0>();
        }
    }
    if (finish.results.data == nullptr) return results.leave(sums, thread % warpgroup);
    const operations::FinishOfOne end = finish.of(0);
    results.leave(sums, thread % warpgroup,
                  [&](std::int64_t row, std::int64_t column, typename Accumulator::Value sum) {
                      end.put(row, column, to_fp32(sum));
                  });
#else
    __trap();
#endif
}

unsigned blocks(std::int64_t size, int each) { return static_cast<unsigned>((size + each - 1) / each); }

template <typename T, template <int> typename Accumulator>
void launch(bool reference, const GemmOperands &on, const operations::Finish &finish, const GemmShape &shape,
            const GemmLayout &layout) {
    using Value = typename Accumulator<8>::Value;
    const auto *a = static_cast<const T *>(on.a), *b = static_cast<const T *>(on.b);
    const auto *c = static_cast<const Value *>(on.c);
    auto *d = static_cast<Value *>(on.d);
    if (reference)
        return launch_with_shared("wgmma gemm reference kernel", reference_kernel<T, Accumulator<reference_columns>>,
                                  dim3(blocks(shape.n, reference_columns), blocks(shape.m, group_rows)), warpgroup,
                                  reference_bytes, a, b, c, d, shape);
    using Wide = Accumulator<block_n>;
    const auto kernel = layout.a_transposed && layout.b_transposed ? tiled_kernel<T, Wide, true, false, true>
                        : layout.a_transposed                      ? tiled_kernel<T, Wide, true, true, true>
                        : layout.b_transposed                      ? tiled_kernel<T, Wide, false, false, true>
                        : shape.n % 8 == 0                         ? tiled_kernel<T, Wide, false, true, true>
                                                                   : tiled_kernel<T, Wide, false, true, false>;
    const unsigned rows = blocks(shape.m, block_m), columns = blocks(shape.n, block_n);
    launch_with_shared("wgmma gemm kernel", kernel, rows * columns, threads, shared_bytes, a, b, c, d, finish, shape,
                       static_cast<int>(rows), static_cast<int>(columns));
}

/// Without data in finish.results, sums go to on.d as they are.
void launch(bool reference, number::FormatId operands, bool fp16_accumulator, const GemmOperands &on,
            const operations::Finish &finish, const GemmShape &shape, const GemmLayout &layout) {
    using number::FormatId;
    if (const std::string missing = wgmma_missing(); !missing.empty()) throw std::runtime_error(missing);
    const bool as_written = !layout.a_transposed && !layout.b_transposed;
    if ((reference || !fits_wgmma(shape, layout)) && !(as_written && shape.k % unit_k == 0))
        throw std::invalid_argument("wgmma: k must be a multiple of 16, and what lies side by side of 8");
    if (fp16_accumulator && operands == FormatId::fp16)
        return launch<__half, WideFp16Accumulator>(reference, on, finish, shape, layout);
    if (operands == FormatId::fp16) return launch<__half, WideFp32Accumulator>(reference, on, finish, shape, layout);
    if (operands == FormatId::bf16)
        return launch<__nv_bfloat16, WideFp32Accumulator>(reference, on, finish, shape, layout);
    throw std::invalid_argument("wgmma takes fp16 and bf16 here");
}

} // namespace

std::string wgmma_missing() {
    const std::string unit = matrix_unit();
    return unit == "hopper" ? ""
                            : "CUDA: wgmma is an instruction of compute capability 9.0; this device's unit: " + unit;
}

bool fits_wgmma(const GemmShape &shape, const GemmLayout &layout) {
    return (layout.a_transposed ? shape.m : shape.k) % 8 == 0 && (layout.b_transposed ? shape.k : shape.n) % 8 == 0;
}

void wgmma_gemm_reference(number::FormatId operands, bool fp16_accumulator, const GemmOperands &on,
                          const GemmShape &shape) {
    launch(true, operands, fp16_accumulator, on, {}, shape, {});
}

void wgmma_gemm(number::FormatId operands, bool fp16_accumulator, const GemmOperands &on, const GemmShape &shape,
                const GemmLayout &layout) {
    launch(false, operands, fp16_accumulator, on, {}, shape, layout);
}

void wgmma_matmul(number::FormatId operands, bool fp16_accumulator, const void *a, const void *b,
                  const operations::Finish &finish, const GemmShape &shape, const GemmLayout &layout) {
    launch(false, operands, fp16_accumulator, {a, b, nullptr, nullptr}, finish, shape, layout);
}

} // namespace halfscope::kernels::device
