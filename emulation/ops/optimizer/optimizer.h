// The optimizer kernels; operand layout and arithmetic in ops/optimizer_step.h.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::ops::optimizer {

template <typename C> void unscale_check(const KernelCall &call);
template <typename C> void sgd_step(const KernelCall &call);
template <typename C> void adam_step(const KernelCall &call);

} // namespace halfscope::ops::optimizer
