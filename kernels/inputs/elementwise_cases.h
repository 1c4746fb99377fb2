// Operands of elementwise tasks: the places where such an operation can go wrong, then random patterns.
#pragma once

#include "emulation/number/format.h"
#include "kernels/registry/kernel.h"

#include <cstdint>
#include <vector>

namespace halfscope::kernels {

/// One list of encodings per operand, equally long.
using ElementwiseCases = std::vector<std::vector<std::uint32_t>>;

/// What make_inputs says of elementwise tasks. `operands` has at most 32 bits. Never shorter than the places where the
/// task can go wrong, and filled up with random patterns to `elements`.
[[nodiscard]] ElementwiseCases elementwise_cases(Task task, const number::Format &operands,
                                                 const number::Format &result, std::size_t elements,
                                                 std::uint64_t seed);

/// Zeros, the ends of the subnormal and normal ranges and their neighbours, one, its neighbours, infinities, quiet and
/// signalling NaN, of both signs.
[[nodiscard]] std::vector<std::uint32_t> special_values(const number::Format &f);

} // namespace halfscope::kernels
