// A host tensor's copy on the device, for a kernel under test: host memory in, host memory out.
#pragma once

#include "emulation/ops/tensor.h"
#include "kernels/cuda/device_memory.h"

#include <cstddef>

namespace halfscope::kernels {

class DeviceTensor {
  public:
    /// Uploads the view's elements. Throws std::runtime_error naming the CUDA call that failed.
    explicit DeviceTensor(const ops::TensorView &host) : bytes_(host.bytes()) {
        if (bytes_.size() > 0) bytes_.upload(host.as<const std::byte>());
    }
    template <typename T> [[nodiscard]] T *as() const { return reinterpret_cast<T *>(bytes_.data()); }
    void download(const ops::TensorView &host) const {
        if (bytes_.size() > 0) bytes_.download(host.as<std::byte>());
    }

  private:
    DeviceArray<std::byte> bytes_;
};

} // namespace halfscope::kernels
