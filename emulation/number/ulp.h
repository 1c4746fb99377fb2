// The unit in the last place: how far apart a format's values lie.
#pragma once

#include "emulation/number/format.h"

#include <algorithm>
#include <cmath>

namespace halfscope::number {

/// Spacing of a format's values at |value|: the smallest subnormal's at zero and infinity, the topmost binade's beyond
/// the format's range.
[[nodiscard]] inline double ulp_at(const Format &format, double value) {
    const bool without_exponent = value == 0 || !std::isfinite(value);
    const int exponent = without_exponent ? format.emin : std::clamp(std::ilogb(value), format.emin, format.emax);
    return std::ldexp(1.0, exponent - format.precision + 1);
}

} // namespace halfscope::number
