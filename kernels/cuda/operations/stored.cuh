// A result as a kernel leaves it: elements of any floating storage, from C.
#pragma once

#include "emulation/number/round_scalar.h"
#include "emulation/ops/tensor.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/storage.cuh"

#include <cstdint>

namespace halfscope::kernels::device::operations {

/// x rounded to nearest even by the device's own conversion, where it is the rounder's: it has one NaN only.
__device__ inline std::uint16_t nearest_16bit(float x, number::FormatId format) {
    if (isnan(x)) return number::round_scalar(x, format, number::ArrayRounding::nearest_even, false, 0);
    return format == number::FormatId::fp16 ? __half_as_ushort(__float2half_rn(x))
                                            : __bfloat16_as_ushort(__float2bfloat16_rn(x));
}

struct Stored {
    void *data = nullptr;
    ops::DType dtype = ops::DType::fp32;

    /// Zeros, from the host.
    void clear(std::int64_t count) const {
        check(cudaMemset(data, 0, static_cast<std::size_t>(count) * ops::size_of(dtype)), "cudaMemset");
    }

    /// Element i, rounded to nearest even.
    __device__ void put(std::int64_t i, float value) const {
        switch (dtype) {
        case ops::DType::fp16:
            static_cast<std::uint16_t *>(data)[i] = nearest_16bit(value, number::FormatId::fp16);
            break;
        case ops::DType::bf16:
            static_cast<std::uint16_t *>(data)[i] = nearest_16bit(value, number::FormatId::bf16);
            break;
        default: static_cast<float *>(data)[i] = value; break;
        }
    }
    /// Elements i and i + 1, where begins_pairs() holds of data; i is even.
    __device__ void put_pair(std::int64_t i, float first, float second) const {
        if (dtype == ops::DType::fp32) {
            static_cast<float2 *>(data)[i / 2] = make_float2(first, second);
            return;
        }
        const number::FormatId format = dtype == ops::DType::fp16 ? number::FormatId::fp16 : number::FormatId::bf16;
        const std::uint32_t low = nearest_16bit(first, format), high = nearest_16bit(second, format);
        static_cast<std::uint32_t *>(data)[i / 2] = low | high << 16;
    }
};

} // namespace halfscope::kernels::device::operations
