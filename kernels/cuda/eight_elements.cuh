// Eight 16-bit operands of a matrix unit, 16 bytes: what a thread moves from global to shared memory at a time.
#pragma once

#include "kernels/cuda/ptx.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

namespace halfscope::kernels::device {

template <typename T> __device__ std::uint32_t bits_of_operand(T value) {
    if constexpr (std::is_integral_v<T>) // bits already
        return value;
    else if constexpr (std::is_same_v<T, __half>)
        return __half_as_ushort(value);
    else if constexpr (std::is_same_v<T, __nv_bfloat16>)
        return __bfloat16_as_ushort(value);
    else
        return value.bits;
}

/// Elements at, at + 1, ... of a row, zero beyond its end or where there is no row; one access of 16 bytes where
/// `aligned` says that row + at may be read so.
template <typename T>
__device__ uint4 eight_of(const T *row, std::int64_t at, std::int64_t length, bool row_inside, bool aligned) {
    if (!row_inside || at >= length) return make_uint4(0, 0, 0, 0);
    if (aligned && at + 8 <= length) return *reinterpret_cast<const uint4 *>(row + at);
    std::uint32_t pairs[4] = {};
    HALFSCOPE_UNROLL
    for (int i = 0; i < 8; ++i)
        if (at + i < length) pairs[i / 2] |= bits_of_operand(row[at + i]) << (16 * (i % 2));
    return make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

} // namespace halfscope::kernels::device
