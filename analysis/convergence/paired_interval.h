// How far a paired difference may be luck, from a handful of pairs and without assuming a distribution.
//
// Assumption: under luck alone each pair's difference is symmetric about the same centre (exchanging a pair's two runs
// changes nothing but the sign). Nothing is said about its shape.
//   * p-value: Fisher's randomisation test. All 2^n choices of signs are enumerated; p is the share of them whose sum
//   is
//     at least as far from zero as the one observed. (R. A. Fisher, The Design of Experiments, 1935, section 21;
//     E. J. G. Pitman, J. R. Statist. Soc. Suppl. 4, 1937.) With n pairs it cannot be below 2 / 2^n: 0.0625 for 5.
//   * interval: Hartigan's typical values. The means of the 2^n - 1 non-empty subsets of the differences cut the line
//     into 2^n pieces, each of which holds the centre with probability 2^-n exactly; leaving out the k outer pieces on
//     either side gives an interval of coverage 1 - 2k / 2^n. (J. A. Hartigan, Using subsample values as typical
//     values, J. Amer. Statist. Assoc. 64, 1969.) It is the inversion of the test above. The widest, k = 1, runs from
//     the smallest to the largest difference: 93.75 % for 5 pairs; 95 % needs 6.
#pragma once

#include <cstddef>
#include <span>

namespace halfscope::analysis {

struct PairedInterval {
    double mean = 0;
    double low = 0, high = 0;
    double coverage = 0; ///< of [low, high], exact; 0 for no or one pair
    double p = 1;        ///< two-sided, of "the centre is 0"
    /// The larger distance of the mean from the interval's ends: what stands behind the plus-minus sign.
    [[nodiscard]] double half_width() const { return mean - low > high - mean ? mean - low : high - mean; }
};

/// 2^n subsets are enumerated.
inline constexpr std::size_t most_pairs = 20;
inline constexpr double wanted_coverage = 0.95;

/// `differences` are finite. The interval is the narrowest whose coverage is at least `wanted`, or the widest there is
/// where none reaches it. Throws std::invalid_argument for more than most_pairs.
[[nodiscard]] PairedInterval paired_interval(std::span<const double> differences, double wanted = wanted_coverage);

} // namespace halfscope::analysis
