// The machine that `halfscope profile` trains on: the CPU emulator, or a CUDA device, in lockstep with the emulator or
// not.
#pragma once

#include "emulation/ops/backend.h"
#include "kernels/cuda_backend.h"
#include "kernels/lockstep/lockstep_backend.h"
#include "trace/schema/lockstep.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::cli {

class TrainingDevice {
  public:
    /// `device`: "cpu" or "cuda". Throws std::invalid_argument with one sentence when it can not be used here, and for
    /// `lockstep` without a device.
    TrainingDevice(const std::string &device, bool lockstep, int threads);

    [[nodiscard]] ops::Backend &backend();
    /// So far: what ran on the host for want of a kernel, and how many elements were bit-equal; empty on the CPU.
    [[nodiscard]] std::vector<std::string> notes() const;
    [[nodiscard]] std::vector<trace::Lockstep> lockstep() const;

  private:
    std::unique_ptr<ops::Backend> emulator_;
    std::unique_ptr<kernels::CudaBackend> cuda_;
    std::optional<kernels::LockstepBackend> lockstep_;
};

/// "Lockstep: bit-equal: 12 of 12 elements, ..." of all records, and which operations differ.
[[nodiscard]] std::string lockstep_in_words(const std::vector<kernels::LockstepCount> &counts);
/// Which operations ran where.
[[nodiscard]] std::string places_in_words(const kernels::PlacesOfOperations &places);

} // namespace halfscope::cli
