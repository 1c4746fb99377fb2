#include "analysis/statistics/what_if.h"

#include "analysis/statistics/format_limits.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace halfscope::analysis {

namespace {
constexpr int fp32_bias = 127;
}

WhatIf what_if(const Exponents &exponents, double amax, const number::Format &format, int k) {
    WhatIf result;
    double lost_squares = 0;
    double kept_squares = 0;
    for (int b = 0; b < 256; ++b) {
        const std::uint64_t n = exponents[static_cast<std::size_t>(b)];
        if (n == 0) continue;
        result.values += n;
        const int binade = b - fp32_bias + k;
        if (binade < underflow_threshold_log2(format)) {
            result.underflows += n;
            lost_squares += static_cast<double>(n) * std::ldexp(1.0, 2 * binade);
            continue;
        }
        kept_squares += static_cast<double>(n) * std::ldexp(1.0, 2 * binade);
        if (binade < smallest_normal_log2(format)) result.subnormals += n;
        if (binade > format.emax) result.overflows += n;
    }
    if (result.overflows == 0 && result.values > 0 && std::ldexp(amax, k) >= overflow_threshold(format))
        result.overflows = 1;
    const double all = lost_squares + kept_squares;
    result.lost_squares_share = all > 0 ? lost_squares / all : 0;
    return result;
}

void add_shifted(Exponents &to, const Exponents &from, int k) {
    for (int b = 0; b < 256; ++b)
        if (const std::uint64_t n = from[static_cast<std::size_t>(b)])
            to[static_cast<std::size_t>(std::clamp(b + k, 0, 254))] += n;
}

std::uint64_t total(const Exponents &exponents) {
    return std::accumulate(exponents.begin(), exponents.end(), std::uint64_t{0});
}

} // namespace halfscope::analysis
