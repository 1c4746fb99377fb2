// Figures of statistics passes while they are on the device: a host that fetched each pass's on its own would wait for
// the device after every operation.
#pragma once

#include "emulation/number/range_statistics.h"
#include "emulation/number/round_blocks.h"
#include "kernels/cuda/device_memory.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace halfscope::kernels::device::operations {

inline constexpr int histogram_bins = 256;

/// What the blocks of threads of one pass count together. All zero: nothing.
struct Counts {
    unsigned long long zeros, subnormals, underflows, overflows, infinities, nans;
    unsigned long long exponents[histogram_bins];
    unsigned amax, complement_of_amin; ///< encodings of magnitudes, the latter's bits inverted
};

class DeviceStatistics {
  public:
    /// Room for so many passes, over so many blocks of statistics in all, before they are fetched; it grows.
    DeviceStatistics(std::size_t passes, std::size_t blocks);

    /// Where one pass over `count` values leaves its figures, all zero. settle() merges them into `statistics`.
    struct Place {
        Counts *counts;
        number::BlockSums *block_sums;
    };
    [[nodiscard]] Place place(std::size_t count, number::RangeStatistics &statistics);

    /// Waits for the passes placed since the last time, and merges their figures in the order they were placed.
    void settle();

  private:
    struct Pass {
        std::size_t count;
        number::RangeStatistics *statistics;
    };
    void make_room(std::size_t passes, std::size_t blocks);

    std::unique_ptr<DeviceArray<Counts>> counts_;
    std::unique_ptr<DeviceArray<number::BlockSums>> block_sums_;
    std::vector<Pass> passes_;
    std::size_t blocks_ = 0; ///< of the passes placed
};

} // namespace halfscope::kernels::device::operations
