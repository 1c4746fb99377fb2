// The one way kernels are launched here: the launch's own error is looked at. Without nvcc (tests/kernels/simt) the
// same source runs on the host.
#pragma once

#include "kernels/cuda/check.h"

#include <cstddef>
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

/// The same with `shared` bytes of dynamic shared memory a block, also more than the 48 KiB a kernel has unasked.
template <typename... Parameters>
void launch_with_shared(const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared,
                        std::type_identity_t<Parameters>... arguments) {
#ifdef __CUDACC__
    check(cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared)),
          name);
    kernel<<<grid, block, shared>>>(arguments...);
    check(cudaGetLastError(), name);
#else
    ::simt::launch_with_shared(name, kernel, grid, block, shared, arguments...);
#endif
}

} // namespace halfscope::kernels
