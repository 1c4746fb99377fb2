// The device's kernels as kernels under test. Listed also where they can not run, with the reason.
#pragma once

#include "kernels/registry/kernel.h"

#include <vector>

namespace halfscope::kernels {

/// The conversions of kernels/conversion.h.
[[nodiscard]] std::vector<Kernel> cuda_kernels();

} // namespace halfscope::kernels
