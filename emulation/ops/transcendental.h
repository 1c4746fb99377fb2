// exp, log, tanh, erf, sin, cos, rsqrt: the functions every operation uses, one definition of each.
#pragma once

#include <cmath>
#include <cstddef>

namespace halfscope::ops::transcendental {

/// One value.
template <typename C> C exp(C x) { return std::exp(x); }
template <typename C> C log(C x) { return std::log(x); }
template <typename C> C tanh(C x) { return std::tanh(x); }
template <typename C> C erf(C x) { return std::erf(x); }
template <typename C> C sin(C x) { return std::sin(x); }
template <typename C> C cos(C x) { return std::cos(x); }
/// 1 / sqrt(x), both correctly rounded.
template <typename C> C rsqrt(C x) { return C(1) / std::sqrt(x); }

/// Arrays of `count`; y may be x. Same bits as the scalar function, SIMD speed.
template <typename C> void exp(const C *x, C *y, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) y[i] = exp(x[i]);
}
template <typename C> void log(const C *x, C *y, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) y[i] = log(x[i]);
}
template <typename C> void tanh(const C *x, C *y, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) y[i] = tanh(x[i]);
}
template <typename C> void erf(const C *x, C *y, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) y[i] = erf(x[i]);
}

} // namespace halfscope::ops::transcendental
