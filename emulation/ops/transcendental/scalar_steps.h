// The exact and correctly rounded steps that definitions are written in, for plain float and double. Lanes of
// lanes-inl.h offers the same names for a SIMD register, so that a definition is written once and instantiated for
// both.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace halfscope::ops::steps {

template <typename C> C select(bool condition, C yes, C no) { return condition ? yes : no; }
inline bool all(bool condition) { return condition; }
template <typename C> bool is_nan(C x) { return std::isnan(x); }
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

/// The 32 bits of a float as a two's complement integer that wraps around.
struct Word {
    std::uint32_t bits;

    explicit Word(std::int32_t value) : bits(static_cast<std::uint32_t>(value)) {}
    friend Word operator+(Word a, Word b) { return Word(static_cast<std::int32_t>(a.bits + b.bits)); }
    friend Word operator-(Word a, Word b) { return Word(static_cast<std::int32_t>(a.bits - b.bits)); }
    friend Word operator&(Word a, Word b) { return Word(static_cast<std::int32_t>(a.bits & b.bits)); }
    friend Word operator^(Word a, Word b) { return Word(static_cast<std::int32_t>(a.bits ^ b.bits)); }
    friend bool operator==(Word a, Word b) { return a.bits == b.bits; }
};
template <int count> Word shift_left(Word w) { return Word(static_cast<std::int32_t>(w.bits << count)); }
/// Arithmetic: the sign comes in from the left.
template <int count> Word shift_right(Word w) { return Word(static_cast<std::int32_t>(w.bits) >> count); }
inline Word bits_of(float x) { return Word(std::bit_cast<std::int32_t>(x)); }
inline float from_bits(Word w) { return std::bit_cast<float>(w.bits); }
/// Integers up to 2^24 in magnitude, exactly.
inline float to_real(Word w) { return static_cast<float>(static_cast<std::int32_t>(w.bits)); }

} // namespace halfscope::ops::steps
