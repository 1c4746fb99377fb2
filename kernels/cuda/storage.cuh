// How values lie in device memory, and their exact way to fp32 and rounded way back.
#pragma once

#include "emulation/ops/tensor.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <stdexcept>
#include <string>

namespace halfscope::kernels {

__device__ inline float to_fp32(float x) { return x; }
__device__ inline float to_fp32(__half x) { return __half2float(x); }
__device__ inline float to_fp32(__nv_bfloat16 x) { return __bfloat162float(x); }

/// To nearest even, once.
template <typename T> __device__ T from_fp32(float x);
template <> __device__ inline float from_fp32<float>(float x) { return x; }
template <> __device__ inline __half from_fp32<__half>(float x) { return __float2half_rn(x); }
template <> __device__ inline __nv_bfloat16 from_fp32<__nv_bfloat16>(float x) { return __float2bfloat16_rn(x); }

/// Calls body.template operator()<T>() with the device type that a dtype is stored as.
template <typename Body> void with_storage(ops::DType dtype, Body body) {
    switch (dtype) {
    case ops::DType::fp32: return body.template operator()<float>();
    case ops::DType::fp16: return body.template operator()<__half>();
    case ops::DType::bf16: return body.template operator()<__nv_bfloat16>();
    default: throw std::invalid_argument("the device's kernels take no " + std::string(ops::name_of(dtype)));
    }
}

} // namespace halfscope::kernels
