// The bulk rounder cut at statistics blocks, for callers that round one tensor on several threads: counts may be merged
// in any order, block sums are kept apart and added in block order at the end.
#pragma once

#include "emulation/number/round_array.h"

namespace halfscope::number {

/// The sums of RangeStatistics over one statistics block.
struct BlockSums {
    double sum = 0, sum_abs = 0, sum_squares = 0, sum_squared_error = 0, sum_magnitude_error = 0;
};

[[nodiscard]] constexpr std::size_t statistics_blocks(std::size_t count) {
    return (count + statistics_block - 1) / statistics_block;
}

/// round_array with statistics: everything but sums is added to `counts`; block i of this call leaves its sums in
/// sums[i].
void round_blocks(const float *source, std::size_t count, FormatId format, void *destination,
                  const RoundArrayOptions &options, RangeStatistics &counts, BlockSums *sums);

/// Adds block sums to `statistics`, in order.
void add_sums(RangeStatistics &statistics, const BlockSums *sums, std::size_t blocks);

} // namespace halfscope::number
