// Gradients by central differences in fp64, to hold the gradient operations' formulas against.
#pragma once

#include "tests/ops/operation_runner.h"

#include <functional>

namespace halfscope::test {

/// Step for arguments of size about 1: the cube root of u, where truncation (h^2) and cancellation (u / h) balance.
inline double difference_step() { return std::cbrt(unit_roundoff(DType::fp64)); }

/// Error of a central difference of a sum: truncation h^2 / 6 of its third derivative along one argument, and
/// cancellation, where `magnitudes` is the sum of the terms' magnitudes and each went through `roundings`.
inline double difference_error(double third_derivative, double magnitudes, double roundings) {
    const double h = difference_step();
    return h * h / 6 * third_derivative + roundings * unit_roundoff(DType::fp64) / h * magnitudes;
}

/// d (sum of weights * f(x)) / dx, one argument at a time.
inline std::vector<double> central_differences(const std::function<std::vector<double>(const std::vector<double> &)> &f,
                                               std::vector<double> x, const std::vector<double> &weights) {
    std::vector<double> slopes;
    const auto weighted = [&] {
        const auto y = f(x);
        double sum = 0;
        for (std::size_t i = 0; i < y.size(); ++i) sum += weights[i] * y[i];
        return sum;
    };
    for (double &argument : x) {
        const double at = argument, h = difference_step();
        argument = at + h;
        const double above = weighted();
        argument = at - h;
        const double below = weighted();
        argument = at;
        slopes.push_back((above - below) / (2 * h));
    }
    return slopes;
}

inline double largest_difference(const std::vector<double> &a, const std::vector<double> &b) {
    double worst = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) keep_worst(worst, std::fabs(a[i] - b[i]));
    return worst;
}

} // namespace halfscope::test
