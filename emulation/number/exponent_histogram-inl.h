// Counting exponents, per SIMD level: the bytes of a block are looked up in tables of the binades the block reaches,
// eight at a time. Real tensors reach a dozen or two; a block that reaches very many is counted byte by byte.
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#if defined(HALFSCOPE_EXPONENT_HISTOGRAM_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_EXPONENT_HISTOGRAM_INL_H
#undef HALFSCOPE_EXPONENT_HISTOGRAM_INL_H
#else
#define HALFSCOPE_EXPONENT_HISTOGRAM_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::number::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR

/// Above this many binades, counting byte by byte is cheaper.
inline constexpr unsigned widest_looked_up_range = 160;
/// Pairs of binades a pass over the bytes counts: more do not fit the registers.
inline constexpr unsigned pairs_a_pass = 4;

/// Occurrences of first, first + 1, ... first + 2 * PAIRS - 1; count is a multiple of the vector length. A
/// table lookup turns a byte into a one in one of two half-byte counters: half the work of a comparison a binade.
template <std::size_t PAIRS>
HWY_INLINE void count_bytes(const std::uint8_t *bytes, std::size_t count, unsigned first, std::uint32_t *bins) {
    const hn::ScalableTag<std::uint8_t> d;
    const hn::Repartition<std::uint16_t, decltype(d)> d16;
    const hn::Repartition<std::uint64_t, decltype(d)> d64;
    using B = hn::Vec<decltype(d)>;
    constexpr std::size_t vectors_a_stretch = 15; // half a byte counts to 15
    const std::size_t stretch = vectors_a_stretch * hn::Lanes(d);
    const std::size_t stretches_a_total = 255 / vectors_a_stretch; // a byte counts to 255
    const B start = hn::Set(d, static_cast<std::uint8_t>(first)), low_half = hn::Set(d, 15);
    B table[PAIRS];
    for (std::size_t p = 0; p < PAIRS; ++p) {
        alignas(16) std::uint8_t entries[16]{};
        entries[2 * p] = 1;
        entries[2 * p + 1] = 16;
        table[p] = hn::LoadDup128(d, entries);
    }
    for (std::size_t begin = 0; begin < count;) {
        B even[PAIRS], odd[PAIRS];
        for (std::size_t p = 0; p < PAIRS; ++p) even[p] = odd[p] = hn::Zero(d);
        for (std::size_t part = 0; part < stretches_a_total && begin < count; ++part) {
            B counted[PAIRS];
            for (std::size_t p = 0; p < PAIRS; ++p) counted[p] = hn::Zero(d);
            const std::size_t end = std::min(count, begin + stretch);
#pragma GCC unroll 3
            for (std::size_t i = begin; i < end; i += hn::Lanes(d)) {
                // 0 to 15 become 0x70 to 0x7F, all others something with the high bit, which looks up zero.
                const B index = hn::SaturatedAdd(hn::Sub(hn::Load(d, bytes + i), start), hn::Set(d, 0x70));
#pragma GCC unroll 8
                for (std::size_t p = 0; p < PAIRS; ++p)
                    counted[p] = hn::Add(counted[p], hn::TableLookupBytesOr0(table[p], index));
            }
            for (std::size_t p = 0; p < PAIRS; ++p) {
                even[p] = hn::Add(even[p], hn::And(counted[p], low_half));
                const B high = hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(d16, counted[p])));
                odd[p] = hn::Add(odd[p], hn::And(high, low_half));
            }
            begin = end;
        }
        const auto total = [&](B counters) HWY_ATTR {
            return static_cast<std::uint32_t>(hn::GetLane(hn::SumOfLanes(d64, hn::SumsOf8(counters))));
        };
        for (std::size_t p = 0; p < PAIRS; ++p) {
            bins[first + 2 * p] += total(even[p]);
            bins[first + 2 * p + 1] += total(odd[p]);
        }
    }
}

/// Adds the occurrences of [low, high] to bins, and it may be those of high + 1; high < 255.
HWY_INLINE void count_exponents(const std::uint8_t *bytes, std::size_t count, unsigned low, unsigned high,
                                std::uint32_t *bins) {
    if (high - low >= widest_looked_up_range) {
        std::array<std::array<std::uint16_t, 256>, 4> tables{}; // four, so that equal neighbours do not wait
        for (std::size_t i = 0; i < count; i += 4)
            for (std::size_t t = 0; t < 4; ++t) ++tables[t][bytes[i + t]];
        for (unsigned b = low; b <= high; ++b)
            bins[b] += std::uint32_t{tables[0][b]} + tables[1][b] + tables[2][b] + tables[3][b];
        return;
    }
    for (unsigned first = low; first <= high; first += 2 * pairs_a_pass) {
        switch (std::min((high - first) / 2 + 1, pairs_a_pass)) {
        case 4: count_bytes<4>(bytes, count, first, bins); break;
        case 3: count_bytes<3>(bytes, count, first, bins); break;
        case 2: count_bytes<2>(bytes, count, first, bins); break;
        default: count_bytes<1>(bytes, count, first, bins); break;
        }
    }
}

#endif

} // namespace halfscope::number::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
