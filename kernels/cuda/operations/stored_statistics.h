// Statistics of results that are moved, not rounded.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::kernels::device::operations {

/// Statistics of output `index` as it lies in device memory (emulation/ops/kernel_call.h's `measure`): does nothing
/// where they are not wanted or the output is not floating. The output is not fp64.
void measure_stored(const ops::KernelCall &call, std::size_t index);

} // namespace halfscope::kernels::device::operations
