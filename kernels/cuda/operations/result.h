// How a device operation leaves a result: values in C, rounded once to storage, measured in the same pass.
#pragma once

#include "emulation/ops/kernel_call.h"
#include "kernels/cuda/check.h"

#include <memory>

namespace halfscope::kernels::device::operations {

/// Memory for one floating output's values in C (fp32): the output's own where it is stored so.
class Result {
  public:
    Result(const ops::KernelCall &call, std::size_t index);

    [[nodiscard]] float *values() const { return values_; }
    /// Rounds and measures, as emulation/ops/kernel_call.h's `store`: the same bits and the same statistics.
    void leave(const ops::OutputRounding &rounding) const;
    void leave() const { leave(call_.operation.rounding); }

  private:
    const ops::KernelCall &call_;
    std::size_t index_;
    std::unique_ptr<DeviceArray<float>> own_;
    float *values_;
};

/// While it lives, Result::leave of this thread takes the reference below, or does not.
class StatisticsBy {
  public:
    explicit StatisticsBy(bool reference);
    ~StatisticsBy();
    StatisticsBy(const StatisticsBy &) = delete;
    StatisticsBy &operator=(const StatisticsBy &) = delete;

  private:
    bool before_;
};

/// Rounds values[0..count) to `format` at `destination` (null: only measured) and, when `statistics` is not null,
/// merges what number::round_array would: counts, histogram and sums in the order written there. Device memory.
void round_and_measure(const float *values, std::size_t count, number::FormatId format, void *destination,
                       const number::RoundArrayOptions &options, number::RangeStatistics *statistics);
/// The same by one thread, element after element in the order of the definition: the readable reference.
void round_and_measure_reference(const float *values, std::size_t count, number::FormatId format, void *destination,
                                 const number::RoundArrayOptions &options, number::RangeStatistics *statistics);

} // namespace halfscope::kernels::device::operations
