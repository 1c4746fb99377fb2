// The pooling kernels, one function an operation; definitions in ops/operation.h.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::ops::pooling {

/// (x) -> y, index. Padding is -inf and never wins. The winner is the first tap, in window row-major order, whose value
/// is greater than all before it; a NaN takes over from whatever came before it (PyTorch's rule, so the last NaN wins).
/// A window with no tap inside the input gives -inf and index -1.
template <typename C> void max_pool(const KernelCall &call);
/// (dy, index) -> dx. Negative indices are skipped.
template <typename C> void max_pool_gradient(const KernelCall &call);
/// (x) -> y. The sum starts from +0 and skips padding; it is divided by the number of taps inside the input, or with
/// count_include_pad inside the input and its padding (less Pooling::ceil_extra).
template <typename C> void average_pool(const KernelCall &call);
/// (dy) -> dx. dy / count, then added to each tap, all starting from +0.
template <typename C> void average_pool_gradient(const KernelCall &call);
/// (x) -> y, any rank; axis sizes may differ between input and output.
template <typename C> void resize_nearest(const KernelCall &call);
/// (dy) -> dx, each sum starting from +0.
template <typename C> void resize_nearest_gradient(const KernelCall &call);

} // namespace halfscope::ops::pooling
