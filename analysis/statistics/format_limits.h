// Where a format's range ends: the figures every statement about underflow and overflow is made from.
#pragma once

#include "emulation/number/format.h"

#include <string_view>

namespace halfscope::analysis {

/// The format of a trace's `format` column. A name this program does not know is taken for fp32, whose range constrains
/// nothing.
[[nodiscard]] const number::Format &format_named(std::string_view name);

/// 65504 for fp16. Formats without infinity (fp8 E4M3) spend their highest code on NaN.
[[nodiscard]] double largest_finite(const number::Format &format);

/// The smallest magnitude that no longer rounds (to nearest even) to a finite value: 65520 for fp16, the midpoint
/// between the largest finite value and the one that would follow.
[[nodiscard]] double overflow_threshold(const number::Format &format);

/// The smallest normal value as a power of two: -14 for fp16.
[[nodiscard]] constexpr int smallest_normal_log2(const number::Format &format) { return format.emin; }

/// The smallest subnormal value as a power of two: -24 for fp16.
[[nodiscard]] constexpr int smallest_log2(const number::Format &format) { return format.emin - (format.precision - 1); }

/// The largest magnitude that rounds to zero, as a power of two: -25 for fp16 (the tie goes to even, which is zero).
[[nodiscard]] constexpr int underflow_threshold_log2(const number::Format &format) { return smallest_log2(format) - 1; }

/// True for the formats a recipe makes smaller than fp32 (fp16, bf16, tf32, fp8).
[[nodiscard]] constexpr bool is_reduced(const number::Format &format) {
    return format.id != number::FormatId::fp32 && format.id != number::FormatId::fp64;
}

} // namespace halfscope::analysis
