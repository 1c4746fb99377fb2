#include "emulation/number/simd_targets.h"

#include "emulation/number/round_array.h"

#include "emulation/number/round_blocks.h"
#include "emulation/number/round_limits.h"
#include "emulation/number/round_scalar.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <hwy/cache_control.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulation/number/round_array.cpp"
#include <hwy/foreach_target.h>

#include "emulation/number/exponent_histogram-inl.h"
#include "emulation/number/round_block_portable-inl.h"
#include "emulation/number/round_block_simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halfscope::number::HWY_NAMESPACE {

void round_some(const BlockRequest &request, RangeStatistics *counts, BlockSums *sums) {
    for (std::size_t first = 0; first < request.count; first += statistics_block) {
        BlockRequest block = request;
        block.count = std::min(statistics_block, request.count - first);
        block.source += first;
        block.first_element += first;
        if (block.destination)
            block.destination = static_cast<std::byte *>(block.destination) + first * bytes_of(request.format);
        round_block(block, counts, sums ? &sums[first / statistics_block] : nullptr);
    }
#if HWY_TARGET != HWY_SCALAR
    if (request.stream) hwy::FlushStream();
#endif
}

void widen_some(const std::uint16_t *source, std::size_t count, FormatId format, float *destination) {
    std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
    const std::size_t lanes = hn::Lanes(Floats());
    if (format == FormatId::fp16)
        for (; i + lanes <= count; i += lanes) hn::StoreU(widen_fp16(source + i), Floats(), destination + i);
    else
        for (; i + lanes <= count; i += lanes) hn::StoreU(widen_bf16(source + i), Floats(), destination + i);
#endif
    for (; i < count; ++i) destination[i] = widen_scalar(source[i], format);
}

} // namespace halfscope::number::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halfscope::number {
HWY_EXPORT(round_some);
HWY_EXPORT(widen_some);

namespace {

/// Above this size a result is written past the caches: it would push out everything else and not be there when read.
constexpr std::size_t streamed_bytes = std::size_t{16} << 20;

BlockRequest request_of(const float *source, std::size_t count, FormatId format, void *destination,
                        const RoundArrayOptions &options) {
    BlockRequest request{source,
                         count,
                         format,
                         options.rounding,
                         options.flush_subnormals,
                         destination,
                         RandomStream{options.seed, options.step, options.tensor},
                         options.first_element,
                         false};
    if (!is_16bit_format(format)) request.rounding = ArrayRounding::nearest_even;
    request.stream = is_16bit_format(format) && destination && count * 2 >= streamed_bytes &&
                     reinterpret_cast<std::uintptr_t>(destination) % 64 == 0;
    return request;
}

} // namespace

void add_sums(RangeStatistics &statistics, const BlockSums *sums, std::size_t blocks) {
    for (std::size_t i = 0; i < blocks; ++i) {
        statistics.sum += sums[i].sum;
        statistics.sum_abs += sums[i].sum_abs;
        statistics.sum_squares += sums[i].sum_squares;
        statistics.sum_squared_error += sums[i].sum_squared_error;
        statistics.sum_magnitude_error += sums[i].sum_magnitude_error;
    }
}

void round_blocks(const float *source, std::size_t count, FormatId format, void *destination,
                  const RoundArrayOptions &options, RangeStatistics &counts, BlockSums *sums) {
    HWY_DYNAMIC_DISPATCH(round_some)(request_of(source, count, format, destination, options), &counts, sums);
}

void round_array(const float *source, std::size_t count, FormatId format, void *destination,
                 const RoundArrayOptions &options, RangeStatistics *statistics) {
    const BlockRequest request = request_of(source, count, format, destination, options);
    if (!statistics) {
        if (destination) HWY_DYNAMIC_DISPATCH(round_some)(request, nullptr, nullptr);
        return;
    }
    // A batch of blocks at a time, so that sums need no memory of the array's size.
    constexpr std::size_t batch = 64;
    BlockSums sums[batch];
    for (std::size_t first = 0; first < count; first += batch * statistics_block) {
        BlockRequest part = request;
        part.count = std::min(batch * statistics_block, count - first);
        part.source += first;
        part.first_element += first;
        if (destination) part.destination = static_cast<std::byte *>(destination) + first * bytes_of(format);
        HWY_DYNAMIC_DISPATCH(round_some)(part, statistics, sums);
        add_sums(*statistics, sums, statistics_blocks(part.count));
    }
}

void widen_array(const std::uint16_t *source, std::size_t count, FormatId format, float *destination) {
    HWY_DYNAMIC_DISPATCH(widen_some)(source, count, format, destination);
}

void measure_array(const void *values, std::size_t count, FormatId format, RangeStatistics &statistics) {
    if (!is_16bit_format(format)) {
        round_array(static_cast<const float *>(values), count, FormatId::fp32, nullptr, {}, &statistics);
        return;
    }
    // Rounding what is already a number of the format changes nothing and counts what is there.
    alignas(64) float widened[statistics_block];
    for (std::size_t first = 0; first < count; first += statistics_block) {
        const std::size_t n = std::min(statistics_block, count - first);
        widen_array(static_cast<const std::uint16_t *>(values) + first, n, format, widened);
        round_array(widened, n, format, nullptr, {}, &statistics);
    }
}

std::uint16_t round_to_16bit(float value, FormatId format) {
    return round_scalar(value, format, ArrayRounding::nearest_even, false, 0);
}
float widen_16bit(std::uint16_t bits, FormatId format) { return widen_scalar(bits, format); }

} // namespace halfscope::number
#endif
