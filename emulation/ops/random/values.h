// Random values that a model draws in its forward pass.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::ops::random {

/// random_uniform and random_normal, drawn in fp32 whatever the storage: element i depends on (key, i) alone.
void draw_values(const KernelCall &call);

} // namespace halfscope::ops::random
