// How a device operation leaves a result: values in C, rounded once to storage, measured in the same pass.
#pragma once

#include "emulation/ops/kernel_call.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/operations/device_statistics.h"
#include "kernels/cuda/operations/stored.cuh"

#include <memory>

namespace halfscope::kernels::device::operations {

/// One floating output of an operation.
class Result {
  public:
    Result(const ops::KernelCall &call, std::size_t index);

    /// Memory for the values in C (fp32), for leave() to round: the output's own where it is stored so.
    [[nodiscard]] float *values() const;
    /// Where the kernel may put the values instead, each once: into storage at once when they are rounded to nearest
    /// even and nobody measures them, as leave() then knows; else values().
    [[nodiscard]] Stored stored() const;
    /// Rounds and measures, as emulation/ops/kernel_call.h's `store`: the same bits and the same statistics.
    void leave(const ops::OutputRounding &rounding) const;
    void leave() const { leave(call_.operation.rounding); }

  private:
    const ops::KernelCall &call_;
    std::size_t index_;
    mutable std::unique_ptr<DeviceArray<float>> own_; ///< made when first asked for
    mutable bool put_in_storage_ = false;
};

/// While it lives, statistics of Result::leave of this thread come from the reference below, or do not, and are held
/// back in `held`, if that is not null.
class StatisticsBy {
  public:
    StatisticsBy(bool reference, DeviceStatistics *held);
    ~StatisticsBy();
    StatisticsBy(const StatisticsBy &) = delete;
    StatisticsBy &operator=(const StatisticsBy &) = delete;

  private:
    bool reference_before_;
    DeviceStatistics *held_before_;
};

/// Rounds values[0..count) to `format` at `destination` (null: only measured) and, when `statistics` is not null,
/// merges what number::round_array would: counts, histogram and sums in the order written there. Device memory.
void round_and_measure(const float *values, std::size_t count, number::FormatId format, void *destination,
                       const number::RoundArrayOptions &options, number::RangeStatistics *statistics);
/// The same by one thread, element after element in the order of the definition: the readable reference.
void round_and_measure_reference(const float *values, std::size_t count, number::FormatId format, void *destination,
                                 const number::RoundArrayOptions &options, number::RangeStatistics *statistics);

} // namespace halfscope::kernels::device::operations
