// Sums, softmax and layer normalisation of rows, one warp a row, in the fixed tree.
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/device_tensor.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/storage.cuh"
#include "kernels/cuda/transcendental.cuh"
#include "kernels/cuda/tree.cuh"
#include "kernels/on_device.h"

#include <algorithm>

namespace halfscope::kernels::device {
namespace {

constexpr int warps_a_block = 4;

__device__ std::int64_t row_of_warp() {
    return blockIdx.x * std::int64_t{warps_a_block} + threadIdx.x / ops::reduction::tree_lanes;
}

template <typename In, typename Out>
__global__ void sum_rows_kernel(const In *x, Out *out, std::int64_t rows, std::int64_t n, float *scratch,
                                std::int64_t scratch_a_row) {
    const std::int64_t row = row_of_warp();
    if (row >= rows) return;
    const In *values = x + row * n;
    const auto value = [values](std::int64_t i) { return to_fp32(values[i]); };
    const float sum = n > 0 ? tree<SumStep>(n, value, scratch + row * scratch_a_row) : 0.0f;
    if (threadIdx.x % ops::reduction::tree_lanes == 0) out[row] = from_fp32<Out>(sum);
}

template <typename In, typename Out>
__global__ void softmax_kernel(const In *x, Out *out, std::int64_t rows, std::int64_t n, float *scratch,
                               std::int64_t scratch_a_row) {
    const std::int64_t row = row_of_warp();
    if (row >= rows) return;
    const In *values = x + row * n;
    float *chunks = scratch + row * scratch_a_row;
    const auto value = [values](std::int64_t i) { return to_fp32(values[i]); };
    const float largest = tree<MaximumStep>(n, value, chunks);
    __syncwarp();
    const auto power = [values, largest](std::int64_t i) {
        return functions::exp(__fsub_rn(to_fp32(values[i]), largest));
    };
    const float sum = tree<SumStep>(n, power, chunks);
    for (std::int64_t i = threadIdx.x % ops::reduction::tree_lanes; i < n; i += ops::reduction::tree_lanes)
        out[row * n + i] = from_fp32<Out>(__fdiv_rn(power(i), sum));
}

template <typename In, typename Out>
__global__ void layer_norm_kernel(const In *x, const float *gamma, const float *beta, Out *out, std::int64_t rows,
                                  std::int64_t n, float epsilon, float *scratch, std::int64_t scratch_a_row) {
    const std::int64_t row = row_of_warp();
    if (row >= rows) return;
    const In *values = x + row * n;
    float *chunks = scratch + row * scratch_a_row;
    const float count = static_cast<float>(n);
    const auto value = [values](std::int64_t i) { return to_fp32(values[i]); };
    const float mean = __fdiv_rn(tree<SumStep>(n, value, chunks), count);
    __syncwarp();
    const auto squared = [values, mean](std::int64_t i) {
        const float difference = __fsub_rn(to_fp32(values[i]), mean);
        return __fmul_rn(difference, difference);
    };
    const float variance = __fdiv_rn(tree<SumStep>(n, squared, chunks), count);
    const float rstd = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(variance, epsilon)));
    for (std::int64_t i = threadIdx.x % ops::reduction::tree_lanes; i < n; i += ops::reduction::tree_lanes) {
        const float h = __fmul_rn(__fsub_rn(to_fp32(values[i]), mean), rstd);
        out[row * n + i] = from_fp32<Out>(__fmaf_rn(h, gamma[i], beta[i]));
    }
}

/// Runs body.operator()<In, Out>(grid, block, scratch, scratch a row) for the call's dtypes.
template <typename Body> void launch_rows(const KernelCall &call, Body body) {
    const std::int64_t rows = call.inputs[0].shape[0], n = call.inputs[0].shape[1];
    if (rows == 0) return;
    const std::int64_t scratch_a_row = n > ops::reduction::tree_chunk ? n / ops::reduction::tree_chunk + 1 : 0;
    const DeviceArray<float> scratch(static_cast<std::size_t>(rows * scratch_a_row));
    const auto grid = static_cast<unsigned>((rows + warps_a_block - 1) / warps_a_block);
    constexpr unsigned block = warps_a_block * ops::reduction::tree_lanes;
    with_storage(call.inputs[0].dtype, [&]<typename In>() {
        with_storage(call.output.dtype, [&]<typename Out>() {
            body.template operator()<In, Out>(grid, block, scratch.data(), scratch_a_row);
        });
    });
}

} // namespace

void sum_rows(const KernelCall &call) {
    const std::int64_t rows = call.inputs[0].shape[0], n = call.inputs[0].shape[1];
    const DeviceTensor x(call.inputs[0]), out(call.output);
    launch_rows(call, [&]<typename In, typename Out>(unsigned grid, unsigned block, float *scratch, auto each) {
        launch("sum kernel", sum_rows_kernel<In, Out>, grid, block, x.as<In>(), out.as<Out>(), rows, n, scratch, each);
    });
    out.download(call.output);
}

void softmax_rows(const KernelCall &call) {
    const std::int64_t rows = call.inputs[0].shape[0], n = call.inputs[0].shape[1];
    if (n == 0) return;
    const DeviceTensor x(call.inputs[0]), out(call.output);
    launch_rows(call, [&]<typename In, typename Out>(unsigned grid, unsigned block, float *scratch, auto each) {
        launch("softmax kernel", softmax_kernel<In, Out>, grid, block, x.as<In>(), out.as<Out>(), rows, n, scratch,
               each);
    });
    out.download(call.output);
}

void layer_norm_rows(const KernelCall &call) {
    const std::int64_t rows = call.inputs[0].shape[0], n = call.inputs[0].shape[1];
    if (n == 0) return;
    const DeviceTensor x(call.inputs[0]), gamma(call.inputs[1]), beta(call.inputs[2]), out(call.output);
    launch_rows(call, [&]<typename In, typename Out>(unsigned grid, unsigned block, float *scratch, auto each) {
        launch("layer norm kernel", layer_norm_kernel<In, Out>, grid, block, x.as<In>(), gamma.as<float>(),
               beta.as<float>(), out.as<Out>(), rows, n, static_cast<float>(call.epsilon), scratch, each);
    });
    out.download(call.output);
}

} // namespace halfscope::kernels::device
