// Errors of the fp32 functions against the C library's double ones, in units in the last place of the exact result.
#pragma once

#include "emulation/ops/transcendental.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace halfscope::tests {

struct Function {
    const char *name;
    float (*scalar)(float);
    void (*array)(const float *, float *, std::size_t);
    double (*reference)(double);
    double stated; ///< the bound of transcendental.h, in ulp
};

inline const std::array<Function, 6> &functions() {
    namespace t = ops::transcendental;
    static const std::array<Function, 6> all{{
        {"exp", t::exp<float>, t::exp, std::exp, t::exp_error_ulp},
        {"log", t::log<float>, t::log, std::log, t::log_error_ulp},
        {"tanh", t::tanh<float>, t::tanh, std::tanh, t::tanh_error_ulp},
        {"erf", t::erf<float>, t::erf, std::erf, t::erf_error_ulp},
        {"sin", t::sin<float>, t::sin, std::sin, t::sin_error_ulp},
        {"cos", t::cos<float>, t::cos, std::cos, t::cos_error_ulp},
    }};
    return all;
}

/// Distance of fp32 numbers around `exact`: 2^-149 for subnormals.
inline double ulp_of(double exact) {
    const int exponent = exact == 0 ? -126 : std::max(std::ilogb(exact), -126);
    return std::ldexp(1.0, exponent - 23);
}

/// |got - exact| in ulp. Infinity stands for 2^128 (so that an overflow half an ulp early is no error); a result that
/// is NaN, infinite or of the wrong sign where it should not be counts as infinitely wrong.
inline double error_in_ulp(float got, double exact) {
    if (std::isnan(exact)) return std::isnan(got) ? 0 : HUGE_VAL;
    if (std::isnan(got) || (std::signbit(got) != std::signbit(exact))) return HUGE_VAL;
    if (std::isinf(exact)) return std::isinf(got) ? 0 : HUGE_VAL;
    const double value = std::isinf(got) ? std::copysign(0x1p128, exact) : static_cast<double>(got);
    const double bounded = std::fabs(exact) > 0x1p128 ? std::copysign(0x1p128, exact) : exact;
    return std::fabs(value - bounded) / std::min(ulp_of(bounded), 0x1p104);
}

struct Worst {
    double error = 0;
    float input = 0, got = 0;
    double wanted = 0;
    std::uint64_t unequal = 0; ///< inputs where the array form and the scalar form differ
    float unequal_at = 0;
};

/// Inputs with bits first, first + stride, ... (count of them), through the array form; `scalar_too` compares bits.
inline Worst sweep(const Function &function, std::uint32_t first, std::uint32_t stride, std::uint64_t count,
                   bool scalar_too) {
    constexpr std::uint64_t block = 4096;
    std::vector<float> x(block), y(block);
    Worst worst;
    for (std::uint64_t done = 0; done < count; done += block) {
        const std::uint64_t n = std::min(block, count - done);
        for (std::uint64_t i = 0; i < n; ++i)
            x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(first + (done + i) * stride));
        function.array(x.data(), y.data(), n);
        for (std::uint64_t i = 0; i < n; ++i) {
            const double exact = function.reference(static_cast<double>(x[i]));
            const double error = error_in_ulp(y[i], exact);
            if (error > worst.error) {
                worst.error = error;
                worst.input = x[i];
                worst.got = y[i];
                worst.wanted = exact;
            }
            if (!scalar_too) continue;
            const float alone = function.scalar(x[i]);
            const bool same = std::bit_cast<std::uint32_t>(alone) == std::bit_cast<std::uint32_t>(y[i]) ||
                              (std::isnan(alone) && std::isnan(y[i]));
            if (!same && worst.unequal++ == 0) worst.unequal_at = x[i];
        }
    }
    return worst;
}

} // namespace halfscope::tests
