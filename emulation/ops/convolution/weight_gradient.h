// convolution_weight_gradient: (dy, x) -> dw.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::ops {

/// `result` has room for the whole of output 0 in C, or is its memory.
template <typename C> void weight_gradient(const KernelCall &call, C *result);

} // namespace halfscope::ops
