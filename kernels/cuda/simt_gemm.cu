#include "kernels/cuda/simt_gemm.h"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/shared_memory.cuh"
#include "kernels/cuda/storage.cuh"

namespace halfscope::kernels::device {
namespace {

template <typename T>
__global__ void reference_kernel(const T *a, const T *b, const float *c, float *d, GemmShape shape) {
    const std::int64_t column = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
    const std::int64_t row = blockIdx.y * std::int64_t{blockDim.y} + threadIdx.y;
    if (row >= shape.m || column >= shape.n) return;
    float sum = c[row * shape.n + column];
    for (std::int64_t k = 0; k < shape.k; ++k)
        sum = __fmaf_rn(to_fp32(a[row * shape.k + k]), to_fp32(b[k * shape.n + column]), sum);
    d[row * shape.n + column] = sum;
}

constexpr int tile = 64, depth = 16, results = 4; ///< a block's results, its k at a time, a thread's results
constexpr int side = tile / results;              ///< threads along each axis: 16 x 16

template <typename T> __global__ void tiled_kernel(const T *a, const T *b, const float *c, float *d, GemmShape shape) {
    HALFSCOPE_SHARED(float, a_tile, [depth][tile + 1]);
    HALFSCOPE_SHARED(float, b_tile, [depth][tile]);
    const int x = threadIdx.x % side, y = threadIdx.x / side;
    const std::int64_t first_row = blockIdx.y * std::int64_t{tile}, first_column = blockIdx.x * std::int64_t{tile};
    float sums[results][results];
    for (int i = 0; i < results; ++i)
        for (int j = 0; j < results; ++j) {
            const std::int64_t row = first_row + y * results + i, column = first_column + x + j * side;
            sums[i][j] = row < shape.m && column < shape.n ? c[row * shape.n + column] : 0.0f;
        }
    for (std::int64_t first = 0; first < shape.k; first += depth) {
        for (int at = threadIdx.x; at < tile * depth; at += side * side) {
            const int k = at % depth, row = at / depth;
            const bool inside = first_row + row < shape.m && first + k < shape.k;
            a_tile[k][row] = inside ? to_fp32(a[(first_row + row) * shape.k + first + k]) : 0.0f;
        }
        for (int at = threadIdx.x; at < tile * depth; at += side * side) {
            const int column = at % tile, k = at / tile;
            const bool inside = first_column + column < shape.n && first + k < shape.k;
            b_tile[k][column] = inside ? to_fp32(b[(first + k) * shape.n + first_column + column]) : 0.0f;
        }
        __syncthreads();
        // A step beyond the last k would turn a sum of -0 into +0.
        const int steps = shape.k - first < depth ? static_cast<int>(shape.k - first) : depth;
        for (int k = 0; k < steps; ++k) {
            float left[results], right[results];
            for (int i = 0; i < results; ++i) left[i] = a_tile[k][y * results + i];
            for (int j = 0; j < results; ++j) right[j] = b_tile[k][x + j * side];
            for (int i = 0; i < results; ++i)
                for (int j = 0; j < results; ++j) sums[i][j] = __fmaf_rn(left[i], right[j], sums[i][j]);
        }
        __syncthreads();
    }
    for (int i = 0; i < results; ++i)
        for (int j = 0; j < results; ++j) {
            const std::int64_t row = first_row + y * results + i, column = first_column + x + j * side;
            if (row < shape.m && column < shape.n) d[row * shape.n + column] = sums[i][j];
        }
}

unsigned blocks(std::int64_t size, int each) { return static_cast<unsigned>((size + each - 1) / each); }

} // namespace

void simt_gemm_reference(ops::DType operands, const GemmOperands &on, const GemmShape &shape) {
    constexpr int edge = 16;
    with_storage(operands, [&]<typename T>() {
        launch("simt gemm reference kernel", reference_kernel<T>, dim3(blocks(shape.n, edge), blocks(shape.m, edge)),
               dim3(edge, edge), static_cast<const T *>(on.a), static_cast<const T *>(on.b),
               static_cast<const float *>(on.c), static_cast<float *>(on.d), shape);
    });
}

void simt_gemm(ops::DType operands, const GemmOperands &on, const GemmShape &shape) {
    with_storage(operands, [&]<typename T>() {
        launch("simt gemm kernel", tiled_kernel<T>, dim3(blocks(shape.n, tile), blocks(shape.m, tile)), side * side,
               static_cast<const T *>(on.a), static_cast<const T *>(on.b), static_cast<const float *>(on.c),
               static_cast<float *>(on.d), shape);
    });
}

} // namespace halfscope::kernels::device
