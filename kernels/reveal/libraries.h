// Sums, dot products and matrix products of libraries, as kernels whose order can be found.
#pragma once

#include "kernels/registry/kernel.h"

#include <string>

namespace halfscope::kernels::reveal {

/// fp32 kernels of "openblas" (libopenblas.so.0, loaded when it is on this machine, never linked) or "eigen" (compiled
/// in, for the baseline instructions of this program's build). Throws std::invalid_argument for other names,
/// std::runtime_error when the library is not on this machine.
[[nodiscard]] Kernel library_kernel(const std::string &library, Task task);

} // namespace halfscope::kernels::reveal
