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
    /// Stochastic rounding only: element i takes word i of the RandomStream (seed, step, tensor, rounding).
    std::uint64_t seed = 0;
    std::uint32_t step = 0;
    std::uint32_t tensor = 0;
    std::uint64_t first_element = 0; ///< index of source[0] in its tensor
};

/// Sums are defined over consecutive blocks of this many elements, counted from source[0]: whoever cuts a tensor into
/// calls cuts at multiples of it. Within a block there are `statistics_lanes` strided lanes (element i is in lane
/// i mod 16). A lane adds runs of `statistics_run` of its elements in fp32, each from +0 in index order (x; |x|;
/// squares by fma(x, x, total); squared errors by fma(e, e, total), with e = result - source in fp32), then adds the
/// run totals in double, in order. The lanes are folded by a binary tree (8, 4, 2, 1), and block sums are added in
/// order. A block whose amax is above 2^59, or non-zero and below 2^-40, has squares that fp32 cannot hold: all its
/// sums are taken in double, element by element (same lanes and tree). Why fp32 within a run: the pass is then bound by
/// memory; the relative error of a sum is below 33 * 2^-24 of the sum of magnitudes, which no judgement here comes
/// near.
inline constexpr std::size_t statistics_block = 4096;
inline constexpr std::size_t statistics_lanes = 16;
inline constexpr std::size_t statistics_run = 32;

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
