// exp, log, tanh, erf, sin, cos, rsqrt: the functions every operation uses, one definition of each.
//
// For float the definition is transcendental/definition.inl: exact and correctly rounded steps only, so that a scalar,
// a SIMD register of any width and a device give the same bits (which NaN comes out of a NaN or an invalid argument is
// left open). Largest errors found by the sweep against higher precision (tests/ops/transcendental) over all 2^32
// floats:
//
//          ulp      worst input         got                wanted
//   exp    0.9814   -0x1.b5484ep+4      0x1.7c481cp-40     0x1.7c481a09...p-40
//   log    0.8463    0x1.696edep-1     -0x1.649b0cp-2     -0x1.649b0db1...p-2
//   tanh   0.8176    0x1.630aeep-1      0x1.334bfcp-1      0x1.334bfda2...p-1
//   erf    1.0231    0x1.e2a4dep-1      0x1.a290b4p-1      0x1.a290b60b...p-1
//   sin    1.4924    0x1.8e0abap+121    0x1.ffda76p-5      0x1.ffda78fc...p-5
//   cos    1.4951    0x1.14c79cp+88     -0x1.ff529p-4      -0x1.ff5292fd...p-4
//
// For double (reference runs only: gradient checks, exact anchors) they are the C library's.
#pragma once

#include "emulation/ops/transcendental/large_angle.h"
#include "emulation/ops/transcendental/scalar_steps.h"

#include <cmath>
#include <cstddef>
#include <type_traits>

namespace halfscope::ops::transcendental {

/// The errors above, rounded up, in units in the last place of the exact result (2^-149 for subnormal ones).
inline constexpr double exp_error_ulp = 0.99, log_error_ulp = 0.85, tanh_error_ulp = 0.82, erf_error_ulp = 1.03,
                        sin_error_ulp = 1.5, cos_error_ulp = 1.5;

namespace definition {
using namespace halfscope::ops::steps;
inline void reduce_large_angles(float x, float &r, Word &quadrant) { reduce_large_angle(x, r, quadrant); }
#define HALFSCOPE_INLINE inline
#include "emulation/ops/transcendental/definition.inl"
#undef HALFSCOPE_INLINE
} // namespace definition

template <typename C> inline constexpr bool is_defined_here = std::is_same_v<C, float>;

/// One value, C = float or double.
template <typename C> C exp(C x) {
    if constexpr (is_defined_here<C>)
        return definition::exp(x);
    else
        return std::exp(x);
}
template <typename C> C log(C x) {
    if constexpr (is_defined_here<C>)
        return definition::log(x);
    else
        return std::log(x);
}
template <typename C> C tanh(C x) {
    if constexpr (is_defined_here<C>)
        return definition::tanh(x);
    else
        return std::tanh(x);
}
template <typename C> C erf(C x) {
    if constexpr (is_defined_here<C>)
        return definition::erf(x);
    else
        return std::erf(x);
}
template <typename C> C sin(C x) {
    if constexpr (is_defined_here<C>)
        return definition::sin(x);
    else
        return std::sin(x);
}
template <typename C> C cos(C x) {
    if constexpr (is_defined_here<C>)
        return definition::cos(x);
    else
        return std::cos(x);
}
/// 1 / sqrt(x), both correctly rounded: within 1 ulp.
template <typename C> C rsqrt(C x) { return C(1) / std::sqrt(x); }

/// Arrays of `count`; y may be x. Same bits as the scalar functions, at SIMD speed.
void exp(const float *x, float *y, std::size_t count);
void log(const float *x, float *y, std::size_t count);
void tanh(const float *x, float *y, std::size_t count);
void erf(const float *x, float *y, std::size_t count);
void sin(const float *x, float *y, std::size_t count);
void cos(const float *x, float *y, std::size_t count);
void exp(const double *x, double *y, std::size_t count);
void log(const double *x, double *y, std::size_t count);
void tanh(const double *x, double *y, std::size_t count);
void erf(const double *x, double *y, std::size_t count);
void sin(const double *x, double *y, std::size_t count);
void cos(const double *x, double *y, std::size_t count);

} // namespace halfscope::ops::transcendental
