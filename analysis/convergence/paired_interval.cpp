#include "analysis/convergence/paired_interval.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace halfscope::analysis {
namespace {

/// Sums whose terms are added in another order may differ by so many rounding errors of their largest: those are ties.
double tie_tolerance(std::span<const double> differences) {
    double magnitude = 0;
    for (const double difference : differences) magnitude += std::abs(difference);
    return magnitude * static_cast<double>(differences.size()) * 0x1p-52;
}

/// Sum of every subset, by its bit mask; the empty one first.
std::vector<double> subset_sums(std::span<const double> differences) {
    std::vector<double> sums(std::size_t{1} << differences.size(), 0.0);
    for (std::size_t mask = 1; mask < sums.size(); ++mask) {
        const auto lowest = static_cast<std::size_t>(std::countr_zero(mask));
        sums[mask] = sums[mask & (mask - 1)] + differences[lowest];
    }
    return sums;
}

} // namespace

PairedInterval paired_interval(std::span<const double> differences, double wanted) {
    if (differences.size() > most_pairs) throw std::invalid_argument("paired_interval: too many pairs to enumerate");
    PairedInterval interval;
    if (differences.empty()) return interval;
    std::vector<double> sums = subset_sums(differences);
    const double total = sums.back(), tolerance = tie_tolerance(differences);
    interval.mean = total / static_cast<double>(differences.size());

    // Signs that make a subset negative give total - 2 * its sum.
    const auto extreme = std::count_if(sums.begin(), sums.end(), [&](double negative) {
        return std::abs(total - 2 * negative) >= std::abs(total) - tolerance;
    });
    const auto pieces = static_cast<double>(sums.size());
    interval.p = static_cast<double>(extreme) / pieces;

    if (differences.size() == 1) {
        interval.low = interval.high = interval.mean;
        return interval;
    }
    std::vector<double> means;
    means.reserve(sums.size() - 1);
    for (std::size_t mask = 1; mask < sums.size(); ++mask)
        means.push_back(sums[mask] / static_cast<double>(std::popcount(mask)));
    std::sort(means.begin(), means.end());
    const auto left_out = std::max<std::size_t>(1, static_cast<std::size_t>((1 - wanted) * pieces / 2));
    interval.low = means[left_out - 1];
    interval.high = means[means.size() - left_out];
    interval.coverage = 1 - 2 * static_cast<double>(left_out) / pieces;
    return interval;
}

} // namespace halfscope::analysis
