// The emulator's exp, log, tanh, ... on the device: the same definition over the device's exact and correctly rounded
// steps. No division or square root here is the fast one: HalfScope's device code is compiled without fast-math.
#pragma once

#include "emulation/ops/transcendental/large_angle.h"

#include <cstdint>

namespace halfscope::kernels::device::functions {

template <typename C> __device__ C select(bool condition, C yes, C no) { return condition ? yes : no; }
__device__ inline bool all(bool condition) { return condition; }
__device__ inline bool is_nan(float x) { return isnan(x); }
__device__ inline float fused(float a, float b, float c) { return __fmaf_rn(a, b, c); }
__device__ inline float square_root(float x) { return __fsqrt_rn(x); }
__device__ inline float absolute(float x) { return fabsf(x); }
__device__ inline float copy_sign(float magnitude, float sign) { return copysignf(magnitude, sign); }
__device__ inline float round_down(float x) { return floorf(x); }
__device__ inline float round_up(float x) { return ceilf(x); }
__device__ inline float round_nearest(float x) { return rintf(x); }

/// The 32 bits of a float as a two's complement integer that wraps around.
struct Word {
    std::uint32_t bits;

    __device__ explicit Word(std::int32_t value) : bits(static_cast<std::uint32_t>(value)) {}
    friend __device__ Word operator+(Word a, Word b) { return Word(static_cast<std::int32_t>(a.bits + b.bits)); }
    friend __device__ Word operator-(Word a, Word b) { return Word(static_cast<std::int32_t>(a.bits - b.bits)); }
    friend __device__ Word operator&(Word a, Word b) { return Word(static_cast<std::int32_t>(a.bits & b.bits)); }
    friend __device__ Word operator^(Word a, Word b) { return Word(static_cast<std::int32_t>(a.bits ^ b.bits)); }
    friend __device__ bool operator==(Word a, Word b) { return a.bits == b.bits; }
};
template <int count> __device__ Word shift_left(Word w) { return Word(static_cast<std::int32_t>(w.bits << count)); }
template <int count> __device__ Word shift_right(Word w) { return Word(static_cast<std::int32_t>(w.bits) >> count); }
__device__ inline Word bits_of(float x) { return Word(__float_as_int(x)); }
__device__ inline float from_bits(Word w) { return __uint_as_float(w.bits); }
__device__ inline float to_real(Word w) { return static_cast<float>(static_cast<std::int32_t>(w.bits)); }

using ops::transcendental::large_angle;

#define HALFSCOPE_INLINE __device__ inline
#include "emulation/ops/transcendental/large_angle.inl"
__device__ inline void reduce_large_angles(float x, float &r, Word &quadrant) {
    large_angle_in_quadrants(x, r, quadrant);
}
#include "emulation/ops/transcendental/definition.inl"
#undef HALFSCOPE_INLINE

} // namespace halfscope::kernels::device::functions
