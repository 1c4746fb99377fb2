// What every elementwise operation with a floating result means, in double and from the words of operation.h (not its
// code).
#pragma once

#include "emulation/ops/operation.h"

#include <cmath>
#include <limits>
#include <vector>

namespace halfscope::tests {

inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

struct Reference {
    ops::OpKind kind;
    double (*exact)(const double *v, double alpha, double beta); ///< v: one, two or three operands
    double alpha = 0, beta = 0;
};

inline double normal_cdf(double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); }
inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }

inline const std::vector<Reference> &unary_references() {
    using enum ops::OpKind;
    static const double pi = std::acos(-1.0);
    static const std::vector<Reference> all{
        {negate, [](const double *v, double, double) { return -v[0]; }},
        {absolute, [](const double *v, double, double) { return std::fabs(v[0]); }},
        {exponential, [](const double *v, double, double) { return std::exp(v[0]); }},
        {logarithm, [](const double *v, double, double) { return std::log(v[0]); }},
        {square_root, [](const double *v, double, double) { return std::sqrt(v[0]); }},
        {reciprocal, [](const double *v, double, double) { return 1 / v[0]; }},
        {sine, [](const double *v, double, double) { return std::sin(v[0]); }},
        {cosine, [](const double *v, double, double) { return std::cos(v[0]); }},
        {tanh, [](const double *v, double, double) { return std::tanh(v[0]); }},
        {erf, [](const double *v, double, double) { return std::erf(v[0]); }},
        {sigmoid, [](const double *v, double, double) { return logistic(v[0]); }},
        {relu, [](const double *v, double, double) { return v[0] < 0 || v[0] == 0 ? 0.0 : v[0]; }},
        {leaky_relu, [](const double *v, double a, double) { return v[0] < 0 ? a * v[0] : v[0]; }, 0.01},
        {elu, [](const double *v, double a, double) { return v[0] > 0 ? v[0] : a * std::expm1(v[0]) + 0.0; }, 1.5},
        {gelu, [](const double *v, double,
                  double) { return std::isinf(v[0]) && v[0] < 0 ? not_a_number : v[0] * normal_cdf(v[0]); }},
        {gelu_tanh,
         [](const double *v, double, double) {
             const double x = v[0];
             return 0.5 * x * (1 + std::tanh(std::sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
         }},
        {silu, [](const double *v, double,
                  double) { return std::isinf(v[0]) && v[0] < 0 ? not_a_number : v[0] * logistic(v[0]); }},
        {softplus, [](const double *v, double, double) { return v[0] > 20 ? v[0] : std::log1p(std::exp(v[0])); }},
        {hard_sigmoid,
         [](const double *v, double a, double b) {
             return std::isnan(v[0]) ? v[0] : std::fmin(1, std::fmax(0, a * v[0] + b));
         },
         0.2, 0.5},
        {hard_swish, [](const double *v, double,
                        double) { return std::isnan(v[0]) ? v[0] : v[0] * std::fmin(6, std::fmax(0, v[0] + 3)) / 6; }},
        {clip,
         [](const double *v, double a, double b) {
             return std::isnan(v[0]) ? v[0] : v[0] < a ? a : v[0] > b ? b : v[0];
         },
         -0.75, 2},
        {floor, [](const double *v, double, double) { return std::floor(v[0]); }},
        {ceil, [](const double *v, double, double) { return std::ceil(v[0]); }},
        {round, [](const double *v, double, double) { return std::nearbyint(v[0]); }},
        {sign,
         [](const double *v, double, double) {
             return v[0] > 0 ? 1.0 : v[0] < 0 ? -1.0 : std::isnan(v[0]) ? v[0] : 0.0;
         }},
        {scale, [](const double *v, double a, double) { return a * v[0]; }, 0.3},
        {shift, [](const double *v, double a, double) { return v[0] + a; }, -1.7},
    };
    return all;
}

inline const std::vector<Reference> &power_references() {
    using enum ops::OpKind;
    static const std::vector<Reference> all = [] {
        std::vector<Reference> made;
        for (const double exponent : {1.0, 2.0, 3.0, 0.5, -0.5, -1.0, -2.0, 0.0, 4.0, 5.0, -3.0, 1.5, 0.3})
            made.push_back({power_scalar,
                            [](const double *v, double a, double) {
                                // The roots have forms of their own, which differ from pow at -0 and -inf.
                                return a == 0.5 ? std::sqrt(v[0]) : a == -0.5 ? 1 / std::sqrt(v[0]) : std::pow(v[0], a);
                            },
                            exponent});
        return made;
    }();
    return all;
}

inline const std::vector<Reference> &binary_references() {
    using enum ops::OpKind;
    static const double pi = std::acos(-1.0);
    static const std::vector<Reference> all{
        {add, [](const double *v, double, double) { return v[0] + v[1]; }},
        {subtract, [](const double *v, double, double) { return v[0] - v[1]; }},
        {multiply, [](const double *v, double, double) { return v[0] * v[1]; }},
        {divide, [](const double *v, double, double) { return v[0] / v[1]; }},
        {power, [](const double *v, double, double) { return std::pow(v[0], v[1]); }},
        {minimum,
         [](const double *v, double, double) {
             return std::isnan(v[0]) || std::isnan(v[1]) ? not_a_number : v[1] < v[0] ? v[1] : v[0];
         }},
        {maximum,
         [](const double *v, double, double) {
             return std::isnan(v[0]) || std::isnan(v[1]) ? not_a_number : v[1] > v[0] ? v[1] : v[0];
         }},
        {relu_gradient, [](const double *v, double, double) { return v[1] > 0 ? v[0] : 0.0; }},
        {leaky_relu_gradient, [](const double *v, double a, double) { return v[1] > 0 ? v[0] : a * v[0]; }, 0.01},
        {elu_gradient, [](const double *v, double a, double) { return v[1] > 0 ? v[0] : v[0] * a * std::exp(v[1]); },
         1.5},
        {tanh_gradient, [](const double *v, double, double) { return v[0] * (1 - v[1] * v[1]); }},
        {sigmoid_gradient, [](const double *v, double, double) { return v[0] * (1 - v[1]) * v[1]; }},
        {gelu_gradient,
         [](const double *v, double, double) {
             return v[0] * (normal_cdf(v[1]) + v[1] * std::exp(-0.5 * v[1] * v[1]) / std::sqrt(2 * pi));
         }},
        {gelu_tanh_gradient,
         [](const double *v, double, double) {
             const double x = v[1], k = std::sqrt(2 / pi), t = std::tanh(k * (x + 0.044715 * x * x * x));
             return v[0] * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x));
         }},
        {silu_gradient,
         [](const double *v, double, double) {
             const double s = logistic(v[1]);
             return v[0] * s * (1 + v[1] * (1 - s));
         }},
        {softplus_gradient, [](const double *v, double, double) { return v[1] > 20 ? v[0] : v[0] * logistic(v[1]); }},
        {hard_sigmoid_gradient,
         [](const double *v, double a, double b) {
             const double t = a * v[1] + b;
             return t > 0 && t < 1 ? v[0] * a : 0.0;
         },
         0.25, 0.5},
        {hard_swish_gradient,
         [](const double *v, double, double) { return v[1] < -3   ? 0.0
                                                      : v[1] <= 3 ? v[0] * (v[1] / 3 + 0.5)
                                                                  : v[0]; }},
        {clip_gradient, [](const double *v, double a, double b) { return v[1] >= a && v[1] <= b ? v[0] : 0.0; }, -0.75,
         2},
        {absolute_gradient,
         [](const double *v, double, double) {
             return v[0] * (v[1] > 0 ? 1 : v[1] < 0 ? -1 : v[1] == 0 ? 0.0 : not_a_number);
         }},
        {square_root_gradient, [](const double *v, double, double) { return v[0] / (2 * v[1]); }},
    };
    return all;
}

} // namespace halfscope::tests
