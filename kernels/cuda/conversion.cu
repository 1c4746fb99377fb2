// One thread an element, grid-stride: the conversions are bound by memory, so there is nothing faster to write.
#include "kernels/conversion.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

namespace halfscope::kernels {
namespace {

__global__ void round_to_fp16(const float *values, unsigned short *results, std::size_t count) {
    for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
         i += std::size_t{gridDim.x} * blockDim.x)
        results[i] = __half_as_ushort(__float2half_rn(values[i]));
}

__global__ void round_to_bf16(const float *values, unsigned short *results, std::size_t count) {
    for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
         i += std::size_t{gridDim.x} * blockDim.x)
        results[i] = __bfloat16_as_ushort(__float2bfloat16_rn(values[i]));
}

__global__ void widen_fp16(const unsigned short *values, float *results, std::size_t count) {
    for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
         i += std::size_t{gridDim.x} * blockDim.x)
        results[i] = __half2float(__ushort_as_half(values[i]));
}

__global__ void widen_bf16(const unsigned short *values, float *results, std::size_t count) {
    for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
         i += std::size_t{gridDim.x} * blockDim.x)
        results[i] = __bfloat162float(__ushort_as_bfloat16(values[i]));
}

constexpr int block = 256;

unsigned grid_for(std::size_t count) {
    return static_cast<unsigned>(std::clamp<std::size_t>((count + block - 1) / block, 1, 65535));
}

} // namespace

void round_on_device(std::span<const float> values, number::FormatId format, std::span<std::uint16_t> results) {
    if (values.size() != results.size()) throw std::invalid_argument("round_on_device: lengths differ");
    if (values.empty()) return;
    DeviceArray<float> in(values.size());
    DeviceArray<unsigned short> out(values.size());
    in.upload(values.data());
    const auto kernel = format == number::FormatId::fp16 ? round_to_fp16 : round_to_bf16;
    launch("conversion kernel", kernel, grid_for(values.size()), block, in.data(), out.data(), values.size());
    out.download(results.data());
}

void widen_on_device(std::span<const std::uint16_t> values, number::FormatId format, std::span<float> results) {
    if (values.size() != results.size()) throw std::invalid_argument("widen_on_device: lengths differ");
    if (values.empty()) return;
    DeviceArray<unsigned short> in(values.size());
    DeviceArray<float> out(values.size());
    in.upload(values.data());
    const auto kernel = format == number::FormatId::fp16 ? widen_fp16 : widen_bf16;
    launch("conversion kernel", kernel, grid_for(values.size()), block, in.data(), out.data(), values.size());
    out.download(results.data());
}

} // namespace halfscope::kernels
