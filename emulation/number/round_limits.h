// Where a rounding changes kind: since every deterministic rounding is monotonic, counts of underflows, subnormals and
// overflows follow from comparing |source| with three bounds.
#pragma once

#include "emulation/number/round_array.h"

#include <cstdint>

namespace halfscope::number {

inline constexpr std::uint32_t fp32_infinity = 0x7F800000u;

/// Encodings of |source| in fp32, ordered as the values are. Below `zero`: the result is zero. Below `normal`: it is
/// zero or subnormal. From `infinite` on, if finite: it overflows.
struct RoundingLimits {
    std::uint32_t zero, normal, infinite;
};

/// For nearest_even and toward_zero. Stochastic rounding has no such limits.
[[nodiscard]] constexpr RoundingLimits rounding_limits(FormatId format, ArrayRounding rounding, bool flush) {
    RoundingLimits limits{1, 0x00800000u, fp32_infinity}; // fp32: every value stays
    const bool nearest = rounding == ArrayRounding::nearest_even;
    if (format == FormatId::fp16) // 2^-25 is a tie and goes to 0; 1023.5 * 2^-24 goes to 2^-14; 65520 to infinity
        limits = nearest ? RoundingLimits{0x33000001u, 0x387FE000u, 0x477FF000u}
                         : RoundingLimits{0x33800000u, 0x38800000u, 0x47800000u};
    if (format == FormatId::bf16)
        limits = nearest ? RoundingLimits{0x00008001u, 0x007F8000u, 0x7F7F8000u}
                         : RoundingLimits{0x00010000u, 0x00800000u, fp32_infinity};
    if (flush) limits.zero = limits.normal;
    return limits;
}

/// Magnitudes whose squares, summed over a run in fp32, neither overflow nor vanish; see statistics_block.
inline constexpr float largest_run_amax = 0x1p59F, smallest_run_amax = 0x1p-40F;
[[nodiscard]] constexpr bool sums_in_double(float amax) {
    return amax > largest_run_amax || (amax > 0 && amax < smallest_run_amax);
}

} // namespace halfscope::number
