#include "kernels/cuda/simt_gemm.h"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/storage.cuh"
#include "kernels/cuda/tiled_product.cuh"

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

template <typename T> __global__ void tiled_kernel(const T *a, const T *b, const float *c, float *d, GemmShape shape) {
    tiled_product(
        shape.m, shape.n, shape.k, [=](std::int64_t row, std::int64_t k) { return to_fp32(a[row * shape.k + k]); },
        [=](std::int64_t k, std::int64_t column) { return to_fp32(b[k * shape.n + column]); },
        [=](std::int64_t row, std::int64_t column) { return c[row * shape.n + column]; },
        [=](std::int64_t row, std::int64_t column, float sum) { d[row * shape.n + column] = sum; });
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
        launch("simt gemm kernel", tiled_kernel<T>, dim3(tiles_of(shape.n), tiles_of(shape.m)), tiled_threads,
               static_cast<const T *>(on.a), static_cast<const T *>(on.b), static_cast<const float *>(on.c),
               static_cast<float *>(on.d), shape);
    });
}

} // namespace halfscope::kernels::device
