// Elementwise arithmetic as the device does it, one thread an element, grid-stride: bound by memory.
#include "kernels/cuda/device_tensor.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/storage.cuh"
#include "kernels/on_device.h"

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <string>

namespace halfscope::kernels::device {
namespace {

// The variants that the compiler may not contract.
__device__ inline float add_once(float a, float b) { return __fadd_rn(a, b); }
__device__ inline float subtract_once(float a, float b) { return __fsub_rn(a, b); }
__device__ inline float multiply_once(float a, float b) { return __fmul_rn(a, b); }
__device__ inline float fma_once(float a, float b, float c) { return __fmaf_rn(a, b, c); }
template <typename T> __device__ T add_once(T a, T b) { return __hadd_rn(a, b); }
template <typename T> __device__ T subtract_once(T a, T b) { return __hsub_rn(a, b); }
template <typename T> __device__ T multiply_once(T a, T b) { return __hmul_rn(a, b); }
template <typename T> __device__ T fma_once(T a, T b, T c) { return __hfma(a, b, c); }

template <typename T, Task task> __device__ T apply(T a, T b, T c) {
    if constexpr (task == Task::add) return add_once(a, b);
    if constexpr (task == Task::subtract) return subtract_once(a, b);
    if constexpr (task == Task::multiply) return multiply_once(a, b);
    if constexpr (task == Task::fused_multiply_add) return fma_once(a, b, c);
    if constexpr (task == Task::divide) return from_fp32<T>(__fdiv_rn(to_fp32(a), to_fp32(b)));
    if constexpr (task == Task::square_root) return from_fp32<T>(__fsqrt_rn(to_fp32(a)));
    return a;
}

template <typename T, Task task>
__global__ void elementwise_kernel(const T *a, const T *b, const T *c, T *out, std::size_t count) {
    for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
         i += std::size_t{gridDim.x} * blockDim.x)
        out[i] = apply<T, task>(a[i], b[i], c[i]);
}

template <Task task> void launch(const KernelCall &call) {
    std::deque<DeviceTensor> operands;
    for (const ops::TensorView &input : call.inputs) operands.emplace_back(input);
    const DeviceTensor out(call.output);
    const auto count = static_cast<std::size_t>(call.output.shape.elements());
    if (count == 0) return;
    constexpr unsigned block = 256;
    const auto grid = static_cast<unsigned>(std::min<std::size_t>((count + block - 1) / block, 65535));
    with_storage(call.output.dtype, [&]<typename T>() {
        const auto operand = [&](std::size_t i) { return operands[i < operands.size() ? i : 0].template as<T>(); };
        kernels::launch("elementwise kernel", elementwise_kernel<T, task>, grid, block, operand(0), operand(1),
                        operand(2), out.as<T>(), count);
    });
    out.download(call.output);
}

} // namespace

void elementwise(Task task, const KernelCall &call) {
    switch (task) {
    case Task::add: return launch<Task::add>(call);
    case Task::subtract: return launch<Task::subtract>(call);
    case Task::multiply: return launch<Task::multiply>(call);
    case Task::divide: return launch<Task::divide>(call);
    case Task::square_root: return launch<Task::square_root>(call);
    case Task::fused_multiply_add: return launch<Task::fused_multiply_add>(call);
    default: throw std::invalid_argument(std::string(name_of(task)) + " is not elementwise");
    }
}

} // namespace halfscope::kernels::device
