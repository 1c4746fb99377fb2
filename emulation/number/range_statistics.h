// What one pass over an array learns about its range. Producer: the bulk rounder. Carried by the trace, read by the
// analysis.
#pragma once

#include <array>
#include <cstdint>

namespace halfscope::number {

/// Statistics of one rounding of `count` source values (fp32, or fp64 narrowed) to a storage format.
/// "Source" is the value before the rounding, "result" the stored one. All fields are exact counts or deterministic
/// sums: they do not depend on SIMD width or thread count.
struct RangeStatistics {
    std::uint64_t count = 0;      ///< elements seen
    std::uint64_t zeros = 0;      ///< source is +0 or -0
    std::uint64_t subnormals = 0; ///< result is non-zero and subnormal in the storage format
    std::uint64_t underflows = 0; ///< source finite and non-zero, result zero
    std::uint64_t overflows = 0;  ///< source finite, result infinite (or saturated)
    std::uint64_t infinities = 0; ///< source is +inf or -inf
    std::uint64_t nans = 0;       ///< source is NaN
    float amax = 0;               ///< largest finite |source|; 0 when there is none
    float amin = 0;               ///< smallest non-zero finite |source|; 0 when there is none
    double sum = 0;               ///< sum of finite sources
    double sum_abs = 0;           ///< sum of |finite source|
    double sum_squares = 0;       ///< sum of squares of finite sources
    double sum_squared_error = 0; ///< sum of (result - source)^2 where both are finite
    /// Sum of |result| - |source| where both are finite. Rounding to nearest errs as often away from zero as towards
    /// it: a sum beyond a few roots of sum_squared_error is a bias.
    double sum_magnitude_error = 0;

    /// exponents[b] counts finite non-zero sources whose biased fp32 exponent field is b, so b - 127 is the binade
    /// floor(log2 |x|); b = 0 gathers the fp32 subnormals; b = 255 is never used. From it follow exactly, for any
    /// format and any power-of-two scale, how many values would underflow, be subnormal or overflow (to within the
    /// one binade that holds the rounding threshold).
    std::array<std::uint64_t, 256> exponents{};

    /// Adds another part of the same array. Parts must be merged in index order, so that sums are reproducible.
    void merge(const RangeStatistics &later);

    friend bool operator==(const RangeStatistics &, const RangeStatistics &) = default;
};

} // namespace halfscope::number
