// fma for SIMD levels without the instruction, far faster than a library's software fma.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace halfscope::number {

/// fma(a, b, c) of floats, rounded once: the product is exact in double, the sum is rounded to odd there, and so the
/// second rounding, to float, is correct (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", IEEE
/// Transactions on Computers 57, 2008).
inline float fused(float a, float b, float c) {
    const double product = static_cast<double>(a) * static_cast<double>(b), addend = static_cast<double>(c);
    const double sum = product + addend;
    const double virtual_addend = sum - product;
    const double error = (product - (sum - virtual_addend)) + (addend - virtual_addend);
    auto bits = std::bit_cast<std::int64_t>(sum);
    if (sum - sum == 0 && error != 0 && (bits & 1) == 0) bits += (error > 0) == (sum > 0) ? 1 : -1;
    return static_cast<float>(std::bit_cast<double>(bits));
}
inline double fused(double a, double b, double c) { return std::fma(a, b, c); }

} // namespace halfscope::number
