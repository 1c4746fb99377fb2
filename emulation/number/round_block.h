// One statistics block as the bulk rounder's SIMD levels see it.
#pragma once

#include "emulation/number/philox.h"
#include "emulation/number/round_array.h"
#include "emulation/number/round_blocks.h"

#include <cstddef>

namespace halfscope::number {

struct BlockRequest {
    const float *source;
    std::size_t count; ///< at most statistics_block, once cut
    FormatId format;
    ArrayRounding rounding; ///< nearest_even when the format is fp32
    bool flush;
    void *destination; ///< null: only statistics
    RandomStream random;
    std::uint64_t first_element;
    bool stream; ///< write past the caches; destination is then 64-byte aligned
};

[[nodiscard]] constexpr std::size_t bytes_of(FormatId format) { return format == FormatId::fp32 ? 4 : 2; }

/// Folds the lanes of one sum: 8, 4, 2, 1.
[[nodiscard]] constexpr double fold_lanes(double *lane) {
    for (std::size_t width = statistics_lanes / 2; width > 0; width /= 2)
        for (std::size_t l = 0; l < width; ++l) lane[l] += lane[l + width];
    return lane[0];
}

} // namespace halfscope::number
