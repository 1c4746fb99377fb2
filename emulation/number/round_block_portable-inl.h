// A block, one element at a time: the level without SIMD.
#include "emulation/number/fused.h"
#include "emulation/number/round_block.h"
#include "emulation/number/round_limits.h"
#include "emulation/number/round_scalar.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#if defined(HALFSCOPE_ROUND_BLOCK_PORTABLE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_ROUND_BLOCK_PORTABLE_INL_H
#undef HALFSCOPE_ROUND_BLOCK_PORTABLE_INL_H
#else
#define HALFSCOPE_ROUND_BLOCK_PORTABLE_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::number::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

/// One of the sums of a block.
struct LaneSums {
    bool in_double;
    float run[statistics_lanes]{};
    double lane[statistics_lanes]{};

    void add(std::size_t l, float x) {
        if (in_double)
            lane[l] += static_cast<double>(x);
        else
            run[l] += x;
    }
    void add_square(std::size_t l, float x) {
        if (in_double)
            lane[l] += static_cast<double>(x) * static_cast<double>(x);
        else
            run[l] = fused(x, x, run[l]);
    }
    void end_run() {
        for (std::size_t l = 0; l < statistics_lanes; ++l) {
            lane[l] += static_cast<double>(run[l]);
            run[l] = 0;
        }
    }
    double total() {
        end_run();
        return fold_lanes(lane);
    }
};

/// Rounds element i of the block, stores it, and returns it as fp32.
inline float round_element(const BlockRequest &block, std::size_t i) {
    const float x = block.source[i];
    if (is_16bit_format(block.format)) {
        const std::uint32_t random =
            block.rounding == ArrayRounding::stochastic ? block.random.word(block.first_element + i) : 0;
        const std::uint16_t bits = round_scalar(x, block.format, block.rounding, block.flush, random);
        if (block.destination) static_cast<std::uint16_t *>(block.destination)[i] = bits;
        return widen_scalar(bits, block.format);
    }
    const float y = block.flush && std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0F, x) : x;
    if (block.destination) static_cast<float *>(block.destination)[i] = y;
    return y;
}

inline void round_block(const BlockRequest &block, RangeStatistics *counts, BlockSums *sums) {
    if (!counts) {
        for (std::size_t i = 0; i < block.count; ++i) round_element(block, i);
        return;
    }
    const auto smallest_normal = static_cast<float>(std::ldexp(1.0, format_of(block.format).emin));
    const RoundingLimits limits = rounding_limits(block.format, block.rounding, block.flush);
    float amax = 0;
    for (std::size_t i = 0; i < block.count; ++i)
        if (std::isfinite(block.source[i])) amax = std::max(amax, std::fabs(block.source[i]));
    const bool in_double = sums_in_double(amax);
    LaneSums sum{in_double}, sum_abs{in_double}, sum_squares{in_double}, sum_squared_error{in_double},
        sum_magnitude_error{in_double};
    for (std::size_t i = 0; i < block.count; ++i) {
        const float x = block.source[i], size = std::fabs(x), y = round_element(block, i);
        const std::size_t lane = i % statistics_lanes;
        if (i != 0 && i % (statistics_lanes * statistics_run) == 0)
            for (LaneSums *s : {&sum, &sum_abs, &sum_squares, &sum_squared_error, &sum_magnitude_error}) s->end_run();
        if (!std::isfinite(x)) {
            ++(std::isnan(x) ? counts->nans : counts->infinities);
            continue;
        }
        sum.add(lane, x);
        sum_abs.add(lane, size);
        sum_squares.add_square(lane, x);
        const auto magnitude = std::bit_cast<std::uint32_t>(size);
        // A saturated result overflowed although it is finite.
        const bool saturated = block.rounding == ArrayRounding::toward_zero && magnitude >= limits.infinite;
        if (std::isinf(y) || saturated) ++counts->overflows;
        if (!std::isinf(y)) {
            sum_squared_error.add_square(lane, y - x);
            sum_magnitude_error.add(lane, std::signbit(x) ? x - y : y - x);
        }
        if (magnitude == 0) {
            ++counts->zeros;
            continue;
        }
        if (y == 0)
            ++counts->underflows;
        else if (std::fabs(y) < smallest_normal)
            ++counts->subnormals;
        counts->amin = counts->amin > 0 ? std::min(counts->amin, size) : size;
        ++counts->exponents[magnitude >> 23];
    }
    counts->count += block.count;
    counts->amax = std::max(counts->amax, amax);
    *sums = {sum.total(), sum_abs.total(), sum_squares.total(), sum_squared_error.total(), sum_magnitude_error.total()};
}

#endif // HWY_TARGET == HWY_SCALAR

} // namespace halfscope::number::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
