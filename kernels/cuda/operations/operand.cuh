// An operand as a kernel reads it: elements of any storage, exactly in C.
#pragma once

#include "emulation/ops/tensor.h"
#include "kernels/cuda/storage.cuh"

#include <cstdint>

namespace halfscope::kernels::device::operations {

struct Operand {
    const void *data;
    ops::DType dtype;

    Operand() = default;
    Operand(const void *values, ops::DType stored) : data(values), dtype(stored) {}
    explicit Operand(const ops::TensorView &view) : data(view.data), dtype(view.dtype) {}

    [[nodiscard]] __device__ float at(std::int64_t i) const {
        switch (dtype) {
        case ops::DType::fp32: return static_cast<const float *>(data)[i];
        case ops::DType::fp16: return to_fp32(static_cast<const __half *>(data)[i]);
        case ops::DType::bf16: return to_fp32(static_cast<const __nv_bfloat16 *>(data)[i]);
        case ops::DType::boolean: return static_cast<const std::uint8_t *>(data)[i] != 0 ? 1.0f : 0.0f;
        default: return 0;
        }
    }
    /// Elements i and i + 1 of operands that begins_pairs() holds for; i is even.
    __device__ void pair_at(std::int64_t i, float &first, float &second) const {
        if (dtype == ops::DType::fp32) {
            const float2 both = static_cast<const float2 *>(data)[i / 2];
            first = both.x;
            second = both.y;
        } else if (dtype == ops::DType::fp16) {
            const __half2 both = static_cast<const __half2 *>(data)[i / 2];
            first = to_fp32(__low2half(both));
            second = to_fp32(__high2half(both));
        } else if (dtype == ops::DType::bf16) {
            const __nv_bfloat162 both = static_cast<const __nv_bfloat162 *>(data)[i / 2];
            first = to_fp32(__low2bfloat16(both));
            second = to_fp32(__high2bfloat16(both));
        } else {
            first = at(i);
            second = at(i + 1);
        }
    }
};

/// Whether elements of any floating storage can be moved in pairs from here on.
inline bool begins_pairs(const void *data) { return reinterpret_cast<std::uintptr_t>(data) % sizeof(float2) == 0; }

/// True for what Operand reads: everything but fp64 and int64.
inline bool readable(const ops::TensorView &view) {
    return view.dtype != ops::DType::fp64 && view.dtype != ops::DType::int64;
}
/// True when all operands are readable and all results are fp32, fp16 or bf16.
template <typename Call> bool fits(const Call &call) {
    for (const ops::TensorView &view : call.inputs)
        if (!readable(view)) return false;
    for (const ops::TensorView &view : call.outputs)
        if (!readable(view) || view.dtype == ops::DType::boolean) return false;
    return true;
}

/// `value` as it would come back from storage, rounded to nearest even.
__device__ inline float as_stored(float value, ops::DType dtype) {
    switch (dtype) {
    case ops::DType::fp16: return to_fp32(from_fp32<__half>(value));
    case ops::DType::bf16: return to_fp32(from_fp32<__nv_bfloat16>(value));
    default: return value;
    }
}

/// Where this thread begins and how far it goes on, one thread an element, on a grid of one dimension.
__device__ inline std::int64_t thread_index() { return blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; }
__device__ inline std::int64_t thread_count() { return std::int64_t{gridDim.x} * blockDim.x; }

inline constexpr unsigned elementwise_block = 256;
/// Blocks for one thread an element, grid-stride beyond.
inline unsigned elementwise_grid(std::int64_t count) {
    const std::int64_t blocks = (count + elementwise_block - 1) / elementwise_block;
    return static_cast<unsigned>(blocks < 1 ? 1 : blocks < 65535 ? blocks : 65535);
}

} // namespace halfscope::kernels::device::operations
