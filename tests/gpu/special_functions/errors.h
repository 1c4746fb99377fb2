// Errors of the device's special-function instructions, in units of the last place of the exact result.
#pragma once

#include "emulation/number/format.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace halfscope::gpu {

enum class SpecialFunction : std::uint8_t { ex2, tanh, rcp, rsqrt, sqrt, sin, cos, lg2 };
inline constexpr std::array<std::string_view, 8> special_function_names{"ex2",  "tanh", "rcp", "rsqrt",
                                                                        "sqrt", "sin",  "cos", "lg2"};

inline constexpr std::size_t all_inputs = 65536;

struct FunctionErrors {
    double worst_ulp = 0;          ///< over inputs whose exact result is finite and whose result is too
    std::uint16_t worst_input = 0; ///< its pattern
    double mean_ulp = 0;
    std::uint32_t compared = 0;
    std::uint32_t not_rounded = 0; ///< compared results that are not the exact one rounded to nearest even
    /// Inputs whose result is of another kind than the exact one, rounded: NaN, infinite, finite; finite ones that
    /// vanish to zero are compared, not counted here.
    std::uint32_t wrong_kind = 0;
};

/// results[p] is what the device made of pattern p of `format` (fp16 or bf16). The exact result comes from the C
/// library's double functions, whose own error is below 2^-40 of these formats' last place.
[[nodiscard]] FunctionErrors function_errors(SpecialFunction function, number::FormatId format,
                                             std::span<const std::uint16_t, all_inputs> results);

/// In double.
[[nodiscard]] double exactly(SpecialFunction function, double x);

} // namespace halfscope::gpu
