#include "analysis/statistics/format_limits.h"

#include <cmath>

namespace halfscope::analysis {

const number::Format &format_named(std::string_view name) {
    for (const number::Format &format : number::formats)
        if (format.name == name) return format;
    return number::format_of(number::FormatId::fp32);
}

double largest_finite(const number::Format &format) {
    // All-ones significand at emax, 2 - 2^(1-p); where the topmost code is NaN, the one below it.
    const int codes_lost = format.non_finite == number::NonFinite::nan_only ? 2 : 1;
    return std::ldexp(2.0 - codes_lost * std::ldexp(1.0, 1 - format.precision), format.emax);
}

double overflow_threshold(const number::Format &format) {
    return largest_finite(format) + std::ldexp(1.0, format.emax - format.precision);
}

} // namespace halfscope::analysis
