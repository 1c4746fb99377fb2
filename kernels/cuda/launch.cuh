// The one way kernels are launched here: the launch's own error is looked at. Without nvcc (tests/kernels/simt) the
// same source runs on the host.
#pragma once

#include "kernels/cuda/check.h"

#include <type_traits>

namespace halfscope::kernels {

/// Runs kernel(arguments...) on grid x block. Throws std::runtime_error naming `name` when it can not be launched;
/// errors while it runs are reported by the next copy.
template <typename... Parameters>
void launch(const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
            std::type_identity_t<Parameters>... arguments) {
#ifdef __CUDACC__
    kernel<<<grid, block>>>(arguments...);
    check(cudaGetLastError(), name);
#else
    ::simt::launch(name, kernel, grid, block, arguments...);
#endif
}

} // namespace halfscope::kernels
