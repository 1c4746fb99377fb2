// How an exact value becomes a representable one, and what happened on the way. No ambient state: mode in, status out.
#pragma once

#include <cstdint>

namespace halfscope::number {

enum class Rounding : std::uint8_t {
    nearest_even,
    nearest_away, ///< ties away from zero
    toward_zero,
    up,         ///< toward +infinity
    down,       ///< toward -infinity
    stochastic, ///< away from zero with probability equal to the discarded fraction, decided by RoundingMode::random
};

/// IEEE 754 tininess is detected after rounding on most machines (and by default here), before rounding on some.
enum class Tininess : std::uint8_t { after_rounding, before_rounding };

struct RoundingMode {
    Rounding rounding = Rounding::nearest_even;
    Tininess tininess = Tininess::after_rounding;
    bool flush_subnormals = false; ///< a subnormal result becomes zero of its sign (inexact and underflow are raised)
    bool saturate = false;         ///< overflow gives the largest finite value instead of infinity (or NaN)
    std::uint64_t random = 0;      ///< stochastic only: uniform 64 bits
};

/// IEEE 754 exception flags, with the values Berkeley TestFloat prints.
enum Status : std::uint8_t {
    exact = 0,
    inexact = 1,
    underflow = 2,
    overflow = 4,
    divide_by_zero = 8,
    invalid = 16,
};
[[nodiscard]] constexpr Status operator|(Status a, Status b) {
    return static_cast<Status>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

/// The encoding of a result, in the low bits, and the exceptions it raised.
struct Result {
    std::uint64_t bits = 0;
    Status status = exact;
};

} // namespace halfscope::number
