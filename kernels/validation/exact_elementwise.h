// Exact results of elementwise tasks, to judge errors by.
#pragma once

#include "emulation/number/rounding.h"
#include "kernels/judge/exact_results.h"
#include "kernels/registry/kernel.h"

namespace halfscope::kernels {

/// Of a task that is_elementwise, on operands of at most 32 bits (the views must stay valid). Sums and products are
/// exact in a pair of doubles, quotients and roots to 2^-104. The bound is one rounding to `result`. With
/// `flush_operands` a subnormal operand counts as zero, and that counts as the exact operation.
[[nodiscard]] judge::ExactResults exact_elementwise(Task task, std::span<const ops::TensorView> inputs,
                                                    number::FormatId result, number::Rounding rounding,
                                                    bool flush_operands);

} // namespace halfscope::kernels
