// A block in vectors. One scan converts, stores, and keeps maxima, sums and exponent bytes; the counts follow from the
// exponents afterwards. The scan first assumes what is nearly always so: all values finite, none overflowing, squares
// within fp32. A block that turns out otherwise is done again with care.
#include "emulation/number/exponent_histogram-inl.h"
#include "emulation/number/round_block.h"
#include "emulation/number/round_limits.h"
#include "emulation/number/round_vectors-inl.h"

#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#if defined(HALFSCOPE_ROUND_BLOCK_SIMD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_ROUND_BLOCK_SIMD_INL_H
#undef HALFSCOPE_ROUND_BLOCK_SIMD_INL_H
#else
#define HALFSCOPE_ROUND_BLOCK_SIMD_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::number::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

inline constexpr std::size_t lanes = hn::MaxLanes(Floats());
inline constexpr std::size_t vectors_per_step = std::max<std::size_t>(4, statistics_lanes / lanes);
/// Elements a scan takes at a time: whole rows of statistics lanes, and four vectors to pack exponents from.
inline constexpr std::size_t scan_step = vectors_per_step * lanes;
/// Of values, of magnitudes, of squares, of squared errors, of errors of the magnitude.
inline constexpr std::size_t kept_sums = 5;
inline constexpr std::size_t sum_vectors = statistics_lanes / lanes;
static_assert(statistics_lanes % lanes == 0 && statistics_lanes * statistics_run % scan_step == 0);

/// What a scan learns of a block.
struct BlockScan {
    double lane[kept_sums][statistics_lanes];
    std::uint32_t largest;           ///< largest magnitude, as bits; of finite values when scanned with care
    std::uint32_t smallest_less_one; ///< smallest non-zero magnitude minus 1
    // With care only:
    std::uint32_t infinities, nans;
    std::uint32_t zero_results, subnormal_results, infinite_results; ///< of finite non-zero sources; stochastic only
    alignas(64) std::uint8_t exponents[statistics_block + scan_step];
};

/// lane[l] += run[l], in double. Out of line: inlined, it grows the hot loop's register pressure.
HWY_NOINLINE void add_run(const float *HWY_RESTRICT run, double *HWY_RESTRICT lane) {
    const hn::Half<Floats> dh;
    const hn::Rebind<double, decltype(dh)> dd;
    for (std::size_t l = 0; l < statistics_lanes; l += hn::Lanes(dh))
        hn::StoreU(hn::Add(hn::LoadU(dd, lane + l), hn::PromoteTo(dd, hn::Load(dh, run + l))), dd, lane + l);
}

/// Counts what a stochastic rounding did to the finite lanes of a vector.
HWY_INLINE void count_results(W magnitude, F y, std::size_t finite_lanes, const RoundingRequest &request,
                              BlockScan &found) {
    const Floats d;
    const W result = magnitude_of(y);
    const std::size_t zero_sources = lanes - hn::CountTrue(d, less(constant(0), magnitude));
    const std::size_t zero_results = lanes - hn::CountTrue(d, less(constant(0), result));
    const std::size_t below = hn::CountTrue(d, hn::Lt(hn::Abs(y), hn::Set(d, request.smallest_normal)));
    const std::size_t stay_finite = hn::CountTrue(d, less(result, constant(fp32_infinity)));
    found.zero_results += static_cast<std::uint32_t>(zero_results - zero_sources);
    found.subnormal_results += static_cast<std::uint32_t>(below - zero_results);
    found.infinite_results += static_cast<std::uint32_t>(finite_lanes - stay_finite);
}

/// The odd 16-bit halves of one vector among the even ones of another.
HWY_INLINE W odd_halves(W odd, W even) {
    const hn::Repartition<std::uint16_t, Words> halves;
    return hn::BitCast(Words(), hn::OddEven(hn::BitCast(halves, odd), hn::BitCast(halves, even)));
}

/// count is a multiple of scan_step.
template <FormatId format, ArrayRounding rounding, bool finite, Destination destination>
HWY_NOINLINE void scan(const float *HWY_RESTRICT source, std::size_t count, const std::uint32_t *random,
                       RoundingRequest request, void *to, BlockScan &found) {
    const Floats d;
    const Words du;
    const hn::Repartition<std::uint8_t, Words> bytes;
    W largest = hn::Zero(du), smallest = constant(0xFFFFFFFFu);
    std::memset(found.lane, 0, sizeof found.lane);
    found.infinities = found.nans = found.zero_results = found.subnormal_results = found.infinite_results = 0;
    for (std::size_t first = 0; first < count; first += statistics_lanes * statistics_run) {
        const std::size_t end = std::min(count, first + statistics_lanes * statistics_run);
        F sum[sum_vectors], sum_abs[sum_vectors], squares[sum_vectors], errors[sum_vectors], outward[sum_vectors];
        for (std::size_t v = 0; v < sum_vectors; ++v)
            sum[v] = sum_abs[v] = squares[v] = errors[v] = outward[v] = hn::Zero(d);
        for (std::size_t i = first; i < end; i += scan_step) {
            W pair[2] = {hn::Zero(du), hn::Zero(du)};
            F y = hn::Zero(d);
            auto *step_to = static_cast<std::byte *>(to) + i * bytes_of(format);
#pragma GCC unroll 4 // the byte and the lane of a vector are constants
            for (std::size_t v = 0; v < vectors_per_step; ++v) {
                const std::size_t at = v % sum_vectors;
                F x = hn::LoadU(d, source + i + v * lanes);
                // The block after this one: memory would stand idle while this one's bytes are counted.
                if (v * lanes * sizeof(float) % 64 == 0)
                    __builtin_prefetch(source + i + v * lanes + statistics_block, 0, 2);
                W magnitude = magnitude_of(x);
                W random_word = hn::Zero(du);
                if constexpr (rounding == ArrayRounding::stochastic)
                    random_word = hn::LoadU(du, random + i + v * lanes);
                y = round_vector<format, rounding, finite, destination>(x, random_word, request, v, y, step_to);
                // Of the magnitude, whose square is the same: rounding keeps the sign.
                F error = hn::Sub(hn::Abs(y), as_floats(magnitude));
                // Four vectors of exponents share one vector of bytes; their order does not matter.
                const std::size_t byte = v % 4;
                if (byte == 0) pair[0] = hn::ShiftRight<23>(magnitude);
                if (byte == 1) pair[0] = odd_halves(hn::ShiftRight<7>(magnitude), pair[0]);
                if (byte == 2) pair[1] = hn::ShiftRight<15>(magnitude);
                if (byte == 3) {
                    pair[1] = odd_halves(hn::ShiftLeft<1>(magnitude), pair[1]);
                    hn::Store(hn::OddEven(hn::BitCast(bytes, pair[1]), hn::BitCast(bytes, pair[0])), bytes,
                              found.exponents + i + (v - 3) * lanes);
                }
                if constexpr (!finite) {
                    const auto is_finite = less(magnitude, constant(fp32_infinity));
                    const auto stays = less(magnitude_of(y), constant(fp32_infinity));
                    const std::size_t finite_lanes = hn::CountTrue(d, is_finite);
                    const std::size_t nans = hn::CountTrue(d, hn::IsNaN(x));
                    found.nans += static_cast<std::uint32_t>(nans);
                    found.infinities += static_cast<std::uint32_t>(lanes - finite_lanes - nans);
                    if constexpr (rounding == ArrayRounding::stochastic)
                        count_results(magnitude, y, finite_lanes, request, found);
                    x = hn::IfThenElseZero(is_finite, x);
                    error = hn::IfThenElseZero(stays, error);
                    magnitude = as_words(hn::IfThenElseZero(is_finite, as_floats(magnitude)));
                }
                largest = hn::Max(largest, magnitude);
                smallest = hn::Min(smallest, hn::Sub(magnitude, constant(1)));
                sum[at] = hn::Add(sum[at], x);
                sum_abs[at] = hn::Add(sum_abs[at], as_floats(magnitude));
                squares[at] = add_square(x, squares[at]);
                errors[at] = add_square(error, errors[at]);
                outward[at] = hn::Add(outward[at], error);
            }
        }
        HWY_ALIGN float runs[kept_sums][statistics_lanes];
        for (std::size_t v = 0; v < sum_vectors; ++v) {
            hn::Store(sum[v], d, runs[0] + v * lanes);
            hn::Store(sum_abs[v], d, runs[1] + v * lanes);
            hn::Store(squares[v], d, runs[2] + v * lanes);
            hn::Store(errors[v], d, runs[3] + v * lanes);
            hn::Store(outward[v], d, runs[4] + v * lanes);
        }
        for (std::size_t s = 0; s < kept_sums; ++s) add_run(runs[s], found.lane[s]);
    }
    HWY_ALIGN std::uint32_t high[lanes], low[lanes];
    hn::Store(largest, du, high);
    hn::Store(smallest, du, low);
    found.largest = *std::max_element(high, high + lanes);
    found.smallest_less_one = *std::min_element(low, low + lanes);
}

/// Rounding alone. count is a multiple of scan_step.
template <FormatId format, ArrayRounding rounding, Destination destination>
HWY_NOINLINE void convert(const float *source, std::size_t count, const std::uint32_t *random, RoundingRequest request,
                          void *to) {
    // F16C treats NaN and infinity as defined here; nothing needs care but the flush.
    constexpr bool by_instruction =
        HALFSCOPE_F16C && format == FormatId::fp16 && rounding == ArrayRounding::nearest_even;
    const auto pass = [&](auto hardware) HWY_ATTR {
        for (std::size_t i = 0; i < count; i += 2 * lanes) {
            F y = hn::Zero(Floats());
            for (std::size_t v = 0; v < 2; ++v) {
                W random_word = hn::Zero(Words());
                if constexpr (rounding == ArrayRounding::stochastic)
                    random_word = hn::LoadU(Words(), random + i + v * lanes);
                y = round_vector<format, rounding, decltype(hardware)::value, destination>(
                    hn::LoadU(Floats(), source + i + v * lanes), random_word, request, v, y,
                    static_cast<std::byte *>(to) + i * bytes_of(format));
            }
        }
    };
    if constexpr (by_instruction) {
        if (!request.flush) return pass(std::true_type{});
    }
    pass(std::false_type{});
}

/// The sums of a block whose squares fp32 cannot hold.
HWY_INLINE void sum_in_double(const float *source, const float *result, std::size_t count, BlockScan &found) {
    std::memset(found.lane, 0, sizeof found.lane);
    for (std::size_t i = 0; i < count; ++i) {
        if (!std::isfinite(source[i])) continue;
        const auto x = static_cast<double>(source[i]);
        const std::size_t l = i % statistics_lanes;
        found.lane[0][l] += x;
        found.lane[1][l] += std::fabs(x);
        found.lane[2][l] += x * x;
        if (!std::isfinite(result[i])) continue;
        const auto error = static_cast<double>(result[i] - source[i]);
        found.lane[3][l] += error * error;
        found.lane[4][l] += std::signbit(source[i]) ? -error : error;
    }
}

/// How many magnitudes lie below `limit`; 0 < limit <= infinity.
HWY_INLINE std::uint64_t count_below(const float *source, std::size_t count, std::uint32_t limit) {
    const Signed di;
    auto counted = hn::Zero(di);
    for (std::size_t i = 0; i < count; i += lanes) {
        const auto below = hn::Lt(hn::BitCast(di, magnitude_of(hn::LoadU(Floats(), source + i))),
                                  hn::Set(di, static_cast<std::int32_t>(limit)));
        counted = hn::Sub(counted, hn::VecFromMask(di, below));
    }
    return static_cast<std::uint64_t>(hn::GetLane(hn::SumOfLanes(di, counted)));
}

/// How many magnitudes of one binade lie below `limit`, which is in it. Looks at the values of a step only where its
/// exponent bytes hold the binade: worth while when few do.
HWY_INLINE std::uint64_t count_in_binade(const float *source, const std::uint8_t *exponents, std::size_t count,
                                         std::uint32_t limit) {
    const hn::ScalableTag<std::uint8_t> db;
    const Signed di;
    const auto edge = hn::Set(db, static_cast<std::uint8_t>(limit >> 23));
    const auto first = hn::Set(di, static_cast<std::int32_t>(limit & 0x7F800000u));
    const auto end = hn::Set(di, static_cast<std::int32_t>(limit));
    auto counted = hn::Zero(di);
    for (std::size_t i = 0; i < count; i += 4 * lanes) { // four vectors share a vector of bytes
        if (hn::AllFalse(db, hn::Eq(hn::Load(db, exponents + i), edge))) continue;
        for (std::size_t v = 0; v < 4; ++v) {
            const auto magnitude = hn::BitCast(di, magnitude_of(hn::LoadU(Floats(), source + i + v * lanes)));
            const auto inside = hn::AndNot(hn::Lt(magnitude, first), hn::Lt(magnitude, end));
            counted = hn::Sub(counted, hn::VecFromMask(di, inside));
        }
    }
    return static_cast<std::uint64_t>(hn::GetLane(hn::SumOfLanes(di, counted)));
}

/// count_below, looking at the values only where the exponents leave it open.
HWY_INLINE std::uint64_t count_below(const float *source, const std::uint8_t *exponents, std::size_t count,
                                     std::uint32_t limit, const std::uint32_t *bins) {
    const std::uint32_t edge = limit >> 23;
    const bool open = (limit & 0x7FFFFFu) != 0 && bins[edge] != 0;
    if (open && bins[edge] > count / 32) return count_below(source, count, limit);
    std::uint64_t below = open ? count_in_binade(source, exponents, count, limit) : 0;
    for (std::uint32_t b = 0; b < edge; ++b) below += bins[b];
    return below;
}

/// Few variants: code for a case that is rare or not hot writes to memory that nobody reads.
template <FormatId format, ArrayRounding rounding, bool finite>
void scan_to(const BlockRequest &block, std::size_t count, const std::uint32_t *random, RoundingRequest request,
             BlockScan &found) {
    const bool stays = format == FormatId::fp32 && !block.flush && block.destination == block.source;
    void *to = stays ? nullptr : block.destination;
    if constexpr (finite && format == FormatId::fp32) {
        if (!to)
            return scan<format, rounding, finite, Destination::none>(block.source, count, random, request, to, found);
    }
    if constexpr (finite && format != FormatId::fp32) {
        if (block.stream)
            return scan<format, rounding, finite, Destination::stream>(block.source, count, random, request, to, found);
    }
    HWY_ALIGN float unread[statistics_block];
    scan<format, rounding, finite, Destination::memory>(block.source, count, random, request, to ? to : unread, found);
}

template <FormatId format, ArrayRounding rounding>
void round_whole_steps(const BlockRequest &block, std::size_t padded, const std::uint32_t *random,
                       RangeStatistics *counts, BlockSums *sums) {
    const RoundingRequest request{block.flush,
                                  std::bit_cast<float>(format == FormatId::fp16 ? 0x38800000u : 0x00800000u)};
    if (!counts) {
        if constexpr (rounding == ArrayRounding::nearest_even && format != FormatId::fp32) {
            if (block.stream)
                return convert<format, rounding, Destination::stream>(block.source, padded, random, request,
                                                                      block.destination);
        }
        return convert<format, rounding, Destination::memory>(block.source, padded, random, request, block.destination);
    }
    BlockScan found;
    const RoundingLimits limits = rounding_limits(format, rounding, block.flush);
    bool careful = true;
    if constexpr (rounding == ArrayRounding::nearest_even) {
        if (!block.flush) {
            scan_to<format, rounding, true>(block, padded, random, request, found);
            careful = found.largest >= limits.infinite;
        }
    }
    if (careful) scan_to<format, rounding, false>(block, padded, random, request, found);
    const auto amax = std::bit_cast<float>(found.largest);
    if (sums_in_double(amax)) {
        HWY_ALIGN float widened[statistics_block + scan_step];
        HWY_ALIGN std::uint16_t stored[statistics_block + scan_step];
        if constexpr (format == FormatId::fp32) {
            convert<format, rounding, Destination::memory>(block.source, padded, random, request, widened);
        } else {
            convert<format, rounding, Destination::memory>(block.source, padded, random, request, stored);
            for (std::size_t i = 0; i < padded; ++i) widened[i] = widen_scalar(stored[i], format);
        }
        sum_in_double(block.source, widened, padded, found);
    }
    *sums = {fold_lanes(found.lane[0]), fold_lanes(found.lane[1]), fold_lanes(found.lane[2]), fold_lanes(found.lane[3]),
             fold_lanes(found.lane[4])};

    const std::uint32_t special = careful ? found.infinities + found.nans : 0;
    counts->count += block.count;
    if (careful) {
        counts->infinities += found.infinities;
        counts->nans += found.nans;
    }
    const std::uint64_t padding = padded - block.count;
    if (found.largest == 0) { // nothing but zeros and specials
        counts->zeros += block.count - special;
        return;
    }
    const std::uint32_t smallest = found.smallest_less_one + 1;
    const auto amin = std::bit_cast<float>(smallest);
    counts->amax = std::max(counts->amax, amax);
    counts->amin = counts->amin > 0 ? std::min(counts->amin, amin) : amin;

    std::uint32_t bins[256] = {};
    const unsigned low = std::max(1u, smallest >> 23), high = found.largest >> 23;
    if (high > 0) count_exponents(found.exponents, padded, low, high, bins);
    std::uint64_t counted = 0;
    for (unsigned b = low; b <= high; ++b) counted += bins[b];
    // Whatever has no exponent in that range is special, zero, or an fp32 subnormal.
    const std::uint64_t tiny = padded - counted - special;
    const std::uint64_t zeros = smallest < 0x00800000u ? count_below(block.source, padded, 1) : tiny;
    bins[0] = static_cast<std::uint32_t>(tiny);
    counts->zeros += zeros - padding;
    counts->exponents[0] += tiny - zeros;
    for (unsigned b = low; b <= high; ++b) counts->exponents[b] += bins[b];

    if constexpr (rounding == ArrayRounding::stochastic) {
        counts->underflows += found.zero_results;
        counts->subnormals += found.subnormal_results;
        counts->overflows += found.infinite_results;
    } else {
        const std::uint64_t below_zero =
            limits.zero <= smallest ? zeros : count_below(block.source, found.exponents, padded, limits.zero, bins);
        const std::uint64_t below_normal =
            limits.normal <= smallest ? zeros : count_below(block.source, found.exponents, padded, limits.normal, bins);
        counts->underflows += below_zero - zeros;
        counts->subnormals += below_normal - below_zero;
        if (found.largest >= limits.infinite)
            counts->overflows +=
                padded - special - count_below(block.source, found.exponents, padded, limits.infinite, bins);
    }
}

template <FormatId format>
void round_in(const BlockRequest &block, std::size_t padded, const std::uint32_t *random, RangeStatistics *counts,
              BlockSums *sums) {
    if constexpr (format != FormatId::fp32) {
        if (block.rounding == ArrayRounding::stochastic)
            return round_whole_steps<format, ArrayRounding::stochastic>(block, padded, random, counts, sums);
        if (block.rounding == ArrayRounding::toward_zero)
            return round_whole_steps<format, ArrayRounding::toward_zero>(block, padded, random, counts, sums);
    }
    round_whole_steps<format, ArrayRounding::nearest_even>(block, padded, random, counts, sums);
}

HWY_INLINE void round_block(const BlockRequest &request, RangeStatistics *counts, BlockSums *sums) {
    BlockRequest block = request;
    const std::size_t padded = (block.count + scan_step - 1) / scan_step * scan_step;
    HWY_ALIGN float copy[statistics_block + scan_step];
    HWY_ALIGN std::byte results[sizeof copy];
    // A last block that ends within a step is padded with zeros; an array flushed in place would lose its source.
    const bool partial = padded != block.count;
    if (partial || (block.flush && block.destination == block.source)) {
        std::memcpy(copy, block.source, block.count * sizeof(float));
        std::fill(copy + block.count, copy + padded, 0.0F);
        block.source = copy;
    }
    if (partial) {
        block.stream = false;
        if (block.destination) block.destination = results;
    }
    std::uint32_t words[statistics_block + 4 * lanes + 4];
    const std::uint32_t *random = nullptr;
    if (block.rounding == ArrayRounding::stochastic) {
        const std::uint64_t skipped = block.first_element % 4;
        random_words(block.random, block.first_element / 4, padded + skipped, words);
        random = words + skipped;
    }
    switch (block.format) {
    case FormatId::fp16: round_in<FormatId::fp16>(block, padded, random, counts, sums); break;
    case FormatId::bf16: round_in<FormatId::bf16>(block, padded, random, counts, sums); break;
    default: round_in<FormatId::fp32>(block, padded, random, counts, sums); break;
    }
    if (partial && request.destination) std::memcpy(request.destination, results, block.count * bytes_of(block.format));
}

#endif // HWY_TARGET != HWY_SCALAR

} // namespace halfscope::number::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
