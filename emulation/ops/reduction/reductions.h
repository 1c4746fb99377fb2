// The reduction operations, by the kind of their result.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::ops::reduction {

/// reduce_sum .. reduce_sum_squares of a floating operand into a floating result, in C.
template <typename C> void reduce_floating(const KernelCall &call);

/// The same operations on int64 or boolean operands with an int64 result; wraps around. A mean truncates toward zero.
void reduce_integers(const KernelCall &call);

/// Index of the first largest element along one axis; NaN counts as larger than any number.
void argmax(const KernelCall &call);

/// Indices of the largest elements along one axis, as many as the output holds there: the largest first, of equals the
/// lower index first; NaN counts as larger than any number.
void top_k(const KernelCall &call);

/// Running sums along an axis, in C, each rounded on its own; int64 operands wrap around.
void cumulative_sum(const KernelCall &call);

} // namespace halfscope::ops::reduction
