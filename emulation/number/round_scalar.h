// One value at a time: the portable definition of the bulk rounder's result bits.
#pragma once

#include "emulation/number/round_array.h"
#include "emulation/number/round_limits.h"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace halfscope::number {

[[nodiscard]] constexpr bool is_16bit_format(FormatId format) {
    return format == FormatId::fp16 || format == FormatId::bf16;
}

/// `value` rounded to fp16 or bf16. Stochastic rounding goes away from zero when the discarded fraction, in units of
/// 2^-31 and truncated, plus the top 31 bits of `random` reach 2^31; a result beyond the largest finite value is
/// infinite. NaN keeps its sign and the top of its payload and becomes quiet.
[[nodiscard]] constexpr std::uint16_t round_scalar(float value, FormatId format, ArrayRounding rounding, bool flush,
                                                   std::uint32_t random) {
    const bool fp16 = format == FormatId::fp16;
    const int dropped = fp16 ? 13 : 16, emin = fp16 ? -14 : -126;
    const std::uint32_t infinity = fp16 ? 0x7C00u : 0x7F80u, smallest_normal = fp16 ? 0x0400u : 0x0080u;
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (bits & 0x80000000u) >> 16, magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > fp32_infinity)
        return static_cast<std::uint16_t>(sign | infinity | smallest_normal >> 1 | (magnitude & 0x7FFFFFu) >> dropped);
    if (magnitude == fp32_infinity) return static_cast<std::uint16_t>(sign | infinity);

    const int exponent = std::max(1, static_cast<int>(magnitude >> 23)) - 127;
    const std::uint64_t significand = (magnitude & 0x7FFFFFu) | (magnitude >= 0x00800000u ? 0x800000u : 0u);
    // How many significand bits lie below the result's last place: `dropped`, more when the result is subnormal. Beyond
    // 56 bits the significand is nothing but discarded fraction, below 2^-31 of the last place.
    const int shift = std::min(56, dropped + std::max(0, emin - exponent));
    std::uint64_t kept = significand >> shift;
    const std::uint64_t discarded = significand - (kept << shift), half = std::uint64_t{1} << (shift - 1);
    if (rounding == ArrayRounding::nearest_even && (discarded > half || (discarded == half && (kept & 1) != 0))) ++kept;
    if (rounding == ArrayRounding::stochastic) {
        const std::uint64_t fraction = shift <= 31 ? discarded << (31 - shift) : discarded >> (shift - 31);
        kept += (fraction + (random >> 1)) >> 31;
    }
    // `kept` still holds the hidden bit of a normal, worth one step of the exponent field.
    const auto binade = static_cast<std::uint32_t>(std::max(0, exponent - emin));
    std::uint32_t result = (binade << (23 - dropped)) + static_cast<std::uint32_t>(kept);
    if (result >= infinity) result = rounding == ArrayRounding::toward_zero ? infinity - 1 : infinity;
    if (flush && result < smallest_normal) result = 0;
    return static_cast<std::uint16_t>(sign | result);
}

/// The value of 16 bits. A signalling fp16 NaN becomes quiet, as the hardware's conversion makes it; bf16 is a shift.
[[nodiscard]] constexpr float widen_scalar(std::uint16_t bits, FormatId format) {
    if (format == FormatId::bf16) return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16, magnitude = bits & 0x7FFFu;
    if (magnitude >= 0x7C00u) {
        const std::uint32_t payload = (magnitude & 0x3FFu) << 13;
        return std::bit_cast<float>(sign | fp32_infinity | payload | (payload != 0 ? 0x400000u : 0u));
    }
    if (magnitude >= 0x400u) return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
    const float subnormal = static_cast<float>(magnitude) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(subnormal));
}

} // namespace halfscope::number
