// exp, log, tanh, erf, sin, cos, rsqrt: the functions every operation uses, one definition of each.
//
// For float the definition is transcendental/definition.inl: exact and correctly rounded steps only, so that a scalar,
// a SIMD register of any width and a device give the same bits (which NaN comes out of a NaN or an invalid argument is
// left open). Largest errors, over all 2^32 floats against higher precision (tests/ops/transcendental):
//
//   BOUNDS
//
// For double (reference runs only: gradient checks, exact anchors) they are the C library's.
#pragma once

#include "emulation/ops/transcendental/large_angle.h"
#include "emulation/ops/transcendental/scalar_steps.h"

#include <cmath>
#include <cstddef>
#include <type_traits>

namespace halfscope::ops::transcendental {

/// Largest errors in units in the last place (of the exact result; 2^-149 for subnormal ones).
inline constexpr double exp_error_ulp = 1.0, log_error_ulp = 1.0, tanh_error_ulp = 1.0, erf_error_ulp = 1.0,
                        sin_error_ulp = 2.0, cos_error_ulp = 2.0;

namespace definition {
using namespace halfscope::ops::steps;
inline void reduce_large_angles(float x, float &r, Word &quadrant) { reduce_large_angle(x, r, quadrant); }
#include "emulation/ops/transcendental/definition.inl"
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
