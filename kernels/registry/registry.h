// The kernels that `halfscope validate` knows: those of this library, and any that a program built with it adds.
#pragma once

#include "kernels/registry/kernel.h"

namespace halfscope::kernels {

/// Adds a kernel under test. Not to be called from several threads at once. Throws std::invalid_argument when the name
/// is empty or taken, or `run` or a needed `emulate` is missing.
void register_kernel(Kernel kernel);

/// All of them, this library's own first, in the order in which they were added. A reference stays valid until the next
/// register_kernel.
[[nodiscard]] const std::vector<Kernel> &registered_kernels();

} // namespace halfscope::kernels
