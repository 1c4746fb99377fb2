// A rounder of the tests' own: double to the nearest fp16, bf16 or fp32 value, ties to even, by scaling to integers.
// Shares nothing with the product's rounding.
#pragma once

#include "emulation/ops/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace halfscope::tests {

struct Grid {
    int precision, emin, emax;
};

inline Grid grid_of(ops::DType dtype) {
    switch (dtype) {
    case ops::DType::fp16: return {11, -14, 15};
    case ops::DType::bf16: return {8, -126, 127};
    default: return {24, -126, 127};
    }
}

inline double rounded(double x, Grid grid) {
    if (x == 0 || !std::isfinite(x)) return x;
    const double quantum = std::ldexp(1.0, std::max(std::ilogb(x), grid.emin) - (grid.precision - 1));
    const double result = std::nearbyint(x / quantum) * quantum;
    return std::fabs(result) >= std::ldexp(1.0, grid.emax + 1) ? std::copysign(HUGE_VAL, x) : std::copysign(result, x);
}

/// The value of stored bits, by the definition of the formats.
inline double decoded(std::uint16_t bits, ops::DType dtype) {
    const int field_bits = dtype == ops::DType::fp16 ? 10 : 7, exponent_mask = dtype == ops::DType::fp16 ? 31 : 255;
    const int bias = dtype == ops::DType::fp16 ? 15 : 127;
    const int field = bits & ((1 << field_bits) - 1), exponent = bits >> field_bits & exponent_mask;
    double magnitude = 0;
    if (exponent == exponent_mask)
        magnitude = field ? std::nan("") : HUGE_VAL;
    else if (exponent == 0)
        magnitude = std::ldexp(field, 1 - bias - field_bits);
    else
        magnitude = std::ldexp(field + (1 << field_bits), exponent - bias - field_bits);
    return bits >> 15 ? -magnitude : magnitude;
}

/// Element i of a floating tensor.
inline double element(const ops::HostTensor &tensor, std::size_t i) {
    switch (tensor.dtype) {
    case ops::DType::fp32: return static_cast<double>(tensor.as<float>()[i]);
    case ops::DType::fp64: return tensor.as<double>()[i];
    default: return decoded(tensor.as<std::uint16_t>()[i], tensor.dtype);
    }
}

/// All 2^16 values of a 16-bit format.
inline ops::HostTensor all_values(ops::DType dtype) {
    ops::HostTensor tensor(dtype, {1 << 16});
    for (std::size_t i = 0; i < 1u << 16; ++i) tensor.as<std::uint16_t>()[i] = static_cast<std::uint16_t>(i);
    return tensor;
}

} // namespace halfscope::tests
