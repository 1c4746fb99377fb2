#include "emulation/number/round_array.h"

#include "emulation/number/philox.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace halfscope::number {
namespace {

constexpr std::uint32_t infinity_bits = 0x7F800000u;

struct Narrowing {
    int dropped;              ///< significand bits of fp32 that the format lacks
    int emin;                 ///< exponent of the smallest normal
    std::uint32_t infinity;   ///< encoding of +inf
    std::uint32_t quiet;      ///< quiet bit of a NaN
    std::uint32_t sign_shift; ///< fp32 sign to the format's
    std::uint32_t smallest_normal;
};

constexpr Narrowing narrowing_of(FormatId format) {
    return format == FormatId::fp16 ? Narrowing{13, -14, 0x7C00u, 0x0200u, 16, 0x0400u}
                                    : Narrowing{16, -126, 0x7F80u, 0x0040u, 16, 0x0080u};
}

std::uint16_t narrow(float value, FormatId format, ArrayRounding rounding, bool flush, std::uint32_t random) {
    const Narrowing to = narrowing_of(format);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (bits & 0x80000000u) >> 16, magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > infinity_bits)
        return static_cast<std::uint16_t>(sign | to.infinity | to.quiet | ((magnitude & 0x7FFFFFu) >> to.dropped));
    if (magnitude == infinity_bits) return static_cast<std::uint16_t>(sign | to.infinity);
    const int exponent = std::max(1, static_cast<int>(magnitude >> 23)) - 127;
    const std::uint64_t significand = (magnitude & 0x7FFFFFu) | (magnitude >> 23 ? 0x800000u : 0u);
    // Grid spacing, in units of the fp32 significand's last place: 2^dropped for normals, coarser for subnormals.
    const int shift = std::min(32, to.dropped + std::max(0, to.emin - exponent));
    const std::uint64_t aligned = to.dropped + std::max(0, to.emin - exponent) > 32
                                      ? significand >> std::min(63, to.dropped + to.emin - exponent - 32)
                                      : significand;
    std::uint64_t add = 0;
    if (rounding == ArrayRounding::stochastic) add = random >> (32 - shift);
    if (rounding == ArrayRounding::nearest_even)
        add = (std::uint64_t{1} << (shift - 1)) - 1 + (significand >> shift & 1);
    const std::uint64_t kept = (aligned + add) >> shift;
    // `kept` still holds the hidden bit of a normal, worth one step of the exponent field.
    const std::uint32_t base = exponent >= to.emin ? static_cast<std::uint32_t>(exponent - to.emin) : 0u;
    std::uint32_t result = (base << (23 - to.dropped)) + static_cast<std::uint32_t>(kept);
    if (result >= to.infinity) result = rounding == ArrayRounding::toward_zero ? to.infinity - 1 : to.infinity;
    if (flush && result < to.smallest_normal) result = 0;
    return static_cast<std::uint16_t>(sign | result);
}

bool is_16bit(FormatId format) { return format == FormatId::fp16 || format == FormatId::bf16; }

float overflow_threshold(FormatId format) { return format == FormatId::fp16 ? 65536.0F : 0x1p127F; }

/// The sums of one block; see statistics_block.
struct LaneSums {
    bool in_double = false;
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
            run[l] += x * x;
    }
    void flush() {
        for (std::size_t l = 0; l < statistics_lanes; ++l) {
            lane[l] += static_cast<double>(run[l]);
            run[l] = 0;
        }
    }
    double total() {
        flush();
        for (std::size_t width = statistics_lanes / 2; width > 0; width /= 2)
            for (std::size_t l = 0; l < width; ++l) lane[l] += lane[l + width];
        return lane[0];
    }
};

} // namespace

std::uint16_t round_to_16bit(float value, FormatId format) {
    return narrow(value, format, ArrayRounding::nearest_even, false, 0);
}

float widen_16bit(std::uint16_t bits, FormatId format) {
    if (format == FormatId::bf16) return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16, magnitude = bits & 0x7FFFu;
    if (magnitude >= 0x7C00u) {
        const std::uint32_t payload = (magnitude & 0x3FFu) << 13;
        return std::bit_cast<float>(sign | infinity_bits | payload | (payload ? 0x400000u : 0u));
    }
    if (magnitude >= 0x400u) return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
    const float subnormal = static_cast<float>(magnitude) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(subnormal));
}

void widen_array(const std::uint16_t *source, std::size_t count, FormatId format, float *destination) {
    for (std::size_t i = 0; i < count; ++i) destination[i] = widen_16bit(source[i], format);
}

void round_array(const float *source, std::size_t count, FormatId format, void *destination,
                 const RoundArrayOptions &options, RangeStatistics *statistics) {
    for (std::size_t first = 0; first < count; first += statistics_block) {
        const std::size_t n = std::min(statistics_block, count - first);
        RangeStatistics part;
        for (std::size_t i = 0; statistics && i < n; ++i)
            if (std::isfinite(source[first + i])) part.amax = std::max(part.amax, std::fabs(source[first + i]));
        const bool in_double = part.amax > 0x1p59F || (part.amax > 0 && part.amax < 0x1p-40F);
        LaneSums sum{in_double}, sum_abs{in_double}, sum_squares{in_double}, sum_squared_error{in_double};
        for (std::size_t i = 0; i < n; ++i) {
            const float x = source[first + i];
            float y = x;
            if (is_16bit(format)) {
                const std::uint32_t random = options.rounding == ArrayRounding::stochastic
                                                 ? RandomStream{options.seed, options.step, options.tensor}.word(
                                                       options.first_element + first + i)
                                                 : 0;
                const std::uint16_t bits = narrow(x, format, options.rounding, options.flush_subnormals, random);
                if (destination) static_cast<std::uint16_t *>(destination)[first + i] = bits;
                y = widen_16bit(bits, format);
            } else {
                if (options.flush_subnormals && std::fpclassify(x) == FP_SUBNORMAL) y = std::copysign(0.0F, x);
                if (destination) static_cast<float *>(destination)[first + i] = y;
            }
            if (!statistics) continue;
            const std::size_t lane = i % statistics_lanes;
            if (i != 0 && i % (statistics_lanes * statistics_run) == 0)
                for (LaneSums *s : {&sum, &sum_abs, &sum_squares, &sum_squared_error}) s->flush();
            if (std::isnan(x)) {
                ++part.nans;
                continue;
            }
            if (std::isinf(x)) {
                ++part.infinities;
                continue;
            }
            const float magnitude = std::fabs(x);
            sum.add(lane, x);
            sum_abs.add(lane, magnitude);
            sum_squares.add_square(lane, x);
            if (magnitude == 0) {
                ++part.zeros;
                continue;
            }
            part.amin = part.amin > 0 ? std::min(part.amin, magnitude) : magnitude;
            ++part.exponents[std::bit_cast<std::uint32_t>(magnitude) >> 23];
            const double smallest_normal = std::ldexp(1.0, format_of(format).emin);
            if (y == 0)
                ++part.underflows;
            else if (static_cast<double>(std::fabs(y)) < smallest_normal)
                ++part.subnormals;
            const bool saturated = options.rounding == ArrayRounding::toward_zero && format == FormatId::fp16 &&
                                   magnitude >= overflow_threshold(format);
            if (std::isinf(y) || saturated) ++part.overflows;
            if (!std::isinf(y)) sum_squared_error.add_square(lane, y - x);
        }
        if (!statistics) continue;
        part.count = n;
        part.sum = sum.total();
        part.sum_abs = sum_abs.total();
        part.sum_squares = sum_squares.total();
        part.sum_squared_error = sum_squared_error.total();
        statistics->merge(part);
    }
}

void measure_array(const void *values, std::size_t count, FormatId format, RangeStatistics &statistics) {
    if (!is_16bit(format)) {
        round_array(static_cast<const float *>(values), count, FormatId::fp32, nullptr, {}, &statistics);
        return;
    }
    float widened[statistics_block];
    for (std::size_t first = 0; first < count; first += statistics_block) {
        const std::size_t n = std::min(statistics_block, count - first);
        widen_array(static_cast<const std::uint16_t *>(values) + first, n, format, widened);
        round_array(widened, n, format, nullptr, {}, &statistics);
    }
}

} // namespace halfscope::number
