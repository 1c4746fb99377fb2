// The exact and correctly rounded steps that definitions are written in, for plain float and double. Lanes of
// lanes-inl.h offers the same names for a SIMD register, so that a definition is written once and instantiated for
// both.
#pragma once

#include <cmath>
#include <cstdint>

namespace halfscope::ops::steps {

template <typename C> C select(bool condition, C yes, C no) { return condition ? yes : no; }
template <typename C> bool is_nan(C x) { return x != x; }
/// a * b + c rounded once.
template <typename C> C fused(C a, C b, C c) { return std::fma(a, b, c); }
template <typename C> C square_root(C x) { return std::sqrt(x); }
template <typename C> C absolute(C x) { return std::fabs(x); }
/// |magnitude| with the sign of `sign`.
template <typename C> C copy_sign(C magnitude, C sign) { return std::copysign(magnitude, sign); }
template <typename C> C round_down(C x) { return std::floor(x); }
template <typename C> C round_up(C x) { return std::ceil(x); }
/// To the nearest integer, ties to even.
template <typename C> C round_nearest(C x) { return std::nearbyint(x); }

} // namespace halfscope::ops::steps
