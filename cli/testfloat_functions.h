// The functions of Berkeley TestFloat, by its names ("f16_mulAdd", "bf16_to_i32", ...), on the scalar arithmetic.
#pragma once

#include "emulation/number/conversion.h"
#include "emulation/number/rounding.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::cli {

/// Hexadecimal digits of an operand or result in TestFloat's lines.
using Digits = int;

struct TestfloatFunction {
    std::vector<Digits> operands;
    Digits result = 0;
    std::function<number::Result(const std::uint64_t *operands, const number::RoundingMode &mode, number::Exactness)>
        call;
};

/// Throws std::invalid_argument with the nearest known name.
[[nodiscard]] TestfloatFunction testfloat_function(std::string_view name);

/// Every known name.
[[nodiscard]] std::vector<std::string> testfloat_function_names();

} // namespace halfscope::cli
