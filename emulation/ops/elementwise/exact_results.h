// Elementwise operations whose result is not rounded: predicates (boolean results) and int64 arithmetic.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::ops::elementwise {

/// equal .. greater_equal, logical_*, is_nan. Compared as int64 when all operands are int64 or boolean, else in C.
[[nodiscard]] bool is_predicate(OpKind kind);
void run_predicate(const KernelCall &call);

/// Arithmetic with an int64 or boolean result from int64 or boolean operands; wraps around on overflow, division by
/// zero gives 0.
void run_integers(const KernelCall &call);

/// cast from any storage type to any other.
void run_cast(const KernelCall &call);

} // namespace halfscope::ops::elementwise
