// Whether a GPU can be used, in words. Host-only: no CUDA header leaks out of this room.
#pragma once

#include <string>

namespace halfscope::kernels {

/// "NVIDIA H100, driver 12.4", or why there is none: not built with CUDA, no driver, no device.
[[nodiscard]] std::string cuda_status();

/// True when a device can run the CUDA kernels.
[[nodiscard]] bool cuda_available();

} // namespace halfscope::kernels
