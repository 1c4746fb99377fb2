// The bulk path: arrays of fp32 rounded to a 16-bit format and back, with statistics gathered in the same pass.
#pragma once

#include "emulation/number/format.h"
#include "emulation/number/range_statistics.h"

#include <cstddef>
#include <cstdint>

namespace halfscope::number {

enum class ArrayRounding : std::uint8_t { nearest_even, stochastic, toward_zero };

struct RoundArrayOptions {
    ArrayRounding rounding = ArrayRounding::nearest_even;
    bool flush_subnormals = false;
    /// Stochastic rounding only: Philox4x32-10 keyed by (seed, step, tensor), counter = element index.
    std::uint64_t seed = 0;
    std::uint32_t step = 0;
    std::uint32_t tensor = 0;
    std::uint64_t first_element = 0; ///< index of source[0] in its tensor
};

/// Sums are defined over consecutive blocks of this many elements, counted from the tensor's start: within a block,
/// 16 strided double lanes, then a binary tree; block sums are then added in order. RangeStatistics::merge adds blocks.
inline constexpr std::size_t statistics_block = 4096;

/// Rounds source[0..count) to `format` (fp16 or bf16: 16-bit results; fp32: a copy, or in place when destination ==
/// source) and, when `statistics` is not null, merges this array's statistics into it. `destination` may be null: then
/// only statistics are gathered, of the rounding that would have been done. Same bits at every SIMD level.
void round_array(const float *source, std::size_t count, FormatId format, void *destination,
                 const RoundArrayOptions &options = {}, RangeStatistics *statistics = nullptr);

/// Exact conversion of 16-bit values to fp32.
void widen_array(const std::uint16_t *source, std::size_t count, FormatId format, float *destination);

/// Statistics of stored 16-bit or fp32 values themselves (nothing is rounded, so no underflows and no overflows).
void measure_array(const void *values, std::size_t count, FormatId format, RangeStatistics &statistics);

/// One value, the same rounding as round_array's nearest-even. The scalar path for code that is not hot.
[[nodiscard]] std::uint16_t round_to_16bit(float value, FormatId format);
[[nodiscard]] float widen_16bit(std::uint16_t bits, FormatId format);

} // namespace halfscope::number
