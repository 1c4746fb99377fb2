// The machine of emulation/ops/backend.h on a CUDA device.
#pragma once

#include "emulation/ops/backend.h"

#include <cstdint>
#include <map>
#include <string>

namespace halfscope::kernels {

/// Operations run so far, by name: on the device, and on the host for want of a kernel (their operands copied there and
/// their results back).
struct PlacesOfOperations {
    std::map<std::string, std::int64_t> on_device, on_host;
};

class CudaBackend : public ops::Backend {
  public:
    [[nodiscard]] virtual const PlacesOfOperations &places() const = 0;
    /// The most device memory, in bytes, that tensors and the kernels' own buffers took at one time in this process,
    /// by its own count (what the driver and the context hold is not in it); since forget_peak, if it was called.
    [[nodiscard]] virtual std::size_t peak_bytes() const = 0;
    virtual void forget_peak() = 0;
};

/// Which kernels a backend takes, where there are two.
enum class CudaKernels : std::uint8_t {
    fast,
    references, ///< convolution and optimizers by one thread a result, statistics by one thread: to read, and judge by
};

/// Bits are the CPU emulator's. `host_threads` is for what has no kernel. Throws std::runtime_error where there is no
/// device, or where HalfScope was built without CUDA.
[[nodiscard]] std::unique_ptr<CudaBackend> make_cuda_backend(int host_threads = 0,
                                                             CudaKernels kernels = CudaKernels::fast);

} // namespace halfscope::kernels
