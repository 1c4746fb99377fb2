#include "analysis/compare/loss_curve.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace halfscope::analysis {

std::size_t final_window(std::size_t steps) { return std::min(steps, std::max<std::size_t>(5, steps / 8)); }

std::size_t initial_window(std::size_t steps) { return std::min(steps, std::max<std::size_t>(3, steps / 50)); }

double mean_of(std::span<const double> values, std::size_t first, std::size_t count) {
    double sum = 0;
    for (const double value : values.subspan(first, count)) sum += value;
    return count ? sum / static_cast<double>(count) : 0.0;
}

std::vector<double> trailing_mean(std::span<const double> values, std::size_t window) {
    std::vector<double> means(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t count = std::min(window, i + 1);
        means[i] = mean_of(values, i + 1 - count, count);
    }
    return means;
}

double step_deviation(std::span<const double> values) {
    if (values.size() < 2) return 0;
    double sum = 0;
    for (std::size_t i = 1; i < values.size(); ++i) {
        const double difference = values[i] - values[i - 1];
        sum += difference * difference;
    }
    return std::sqrt(sum / (2.0 * static_cast<double>(values.size() - 1)));
}

double typical_step_deviation(std::span<const double> values) {
    if (values.size() < 2) return 0;
    std::vector<double> differences;
    for (std::size_t i = 1; i < values.size(); ++i) differences.push_back(std::abs(values[i] - values[i - 1]));
    const auto middle = differences.begin() + static_cast<std::ptrdiff_t>(differences.size() / 2);
    std::nth_element(differences.begin(), middle, differences.end());
    // 1.4826: a normal distribution's standard deviation over its median absolute value.
    return 1.4826 * *middle / std::numbers::sqrt2;
}

} // namespace halfscope::analysis
