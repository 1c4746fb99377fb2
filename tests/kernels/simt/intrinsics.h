// CUDA's device language for a host compiler; included before every kernel source of the executor. What cuda_fp16.h and
// cuda_bf16.h define for the host is taken from there.
#pragma once

#include "tests/kernels/simt/executor.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

// The names are the device language's own.
// NOLINTBEGIN(bugprone-reserved-identifier)
#undef __launch_bounds__
#define __launch_bounds__(...)

using std::isinf;
using std::isnan;

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }

inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }

// One rounding, by the emulator's rounder.
__half __hfma(__half a, __half b, __half c);
__nv_bfloat16 __hfma(__nv_bfloat16 a, __nv_bfloat16 b, __nv_bfloat16 c);

inline void __syncthreads() { simt::wait_for_block(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) {
    char nothing = 0;
    simt::meet("__syncwarp", mask, &nothing, [](simt::Lanes) {});
}

namespace simt {

template <typename T> struct Exchange {
    T value;
    int source; ///< the lane it wants
    T received;
};

/// Every lane receives the value of the lane it wants.
template <typename T> T exchange(std::string_view name, unsigned mask, T value, int source) {
    Exchange<T> mine{value, source, value};
    meet(name, mask, &mine, [&](Lanes lanes) {
        for (int lane = 0; lane < warp_size; ++lane) {
            auto *asks = static_cast<Exchange<T> *>(lanes[lane]);
            if (asks == nullptr) continue;
            const auto *gives = static_cast<const Exchange<T> *>(lanes[asks->source]);
            if (gives == nullptr)
                throw std::runtime_error(std::string(name) + ": lane " + std::to_string(lane) + " reads lane " +
                                         std::to_string(asks->source) + ", which is not there");
            asks->received = gives->value;
        }
    });
    return mine.received;
}

inline int own_lane() {
    return static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % warp_size);
}

} // namespace simt

template <typename T> T __shfl_sync(unsigned mask, T value, int lane) {
    return simt::exchange("__shfl_sync", mask, value, lane % simt::warp_size);
}
template <typename T> T __shfl_down_sync(unsigned mask, T value, unsigned delta) {
    const int lane = simt::own_lane(), from = lane + static_cast<int>(delta);
    return simt::exchange("__shfl_down_sync", mask, value, from < simt::warp_size ? from : lane);
}
template <typename T> T __shfl_xor_sync(unsigned mask, T value, int bits) {
    return simt::exchange("__shfl_xor_sync", mask, value, simt::own_lane() ^ bits);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    struct Vote {
        int predicate;
        unsigned all;
    } mine{predicate, 0};
    simt::meet("__ballot_sync", mask, &mine, [](simt::Lanes lanes) {
        unsigned all = 0;
        for (int lane = 0; lane < simt::warp_size; ++lane)
            if (lanes[lane] != nullptr && static_cast<Vote *>(lanes[lane])->predicate != 0) all |= 1u << lane;
        for (int lane = 0; lane < simt::warp_size; ++lane)
            if (lanes[lane] != nullptr) static_cast<Vote *>(lanes[lane])->all = all;
    });
    return mine.all;
}

// One thread runs at a time.
template <typename T> T atomicAdd(T *at, T value) {
    const T before = *at;
    *at = before + value;
    return before;
}
template <typename T> T atomicOr(T *at, T value) {
    const T before = *at;
    *at = before | value;
    return before;
}
template <typename T> T atomicMax(T *at, T value) {
    const T before = *at;
    *at = before < value ? value : before;
    return before;
}
template <typename T> T atomicMin(T *at, T value) {
    const T before = *at;
    *at = value < before ? value : before;
    return before;
}
template <typename T> T atomicExch(T *at, T value) {
    const T before = *at;
    *at = value;
    return before;
}

/// An address of shared memory as PTX has it: 32 bits.
std::size_t __cvta_generic_to_shared(const void *pointer);
/// An address of global memory as PTX has it: the host's own.
inline std::size_t __cvta_generic_to_global(const void *pointer) { return reinterpret_cast<std::size_t>(pointer); }
// NOLINTEND(bugprone-reserved-identifier)
