// Counting exponents, per SIMD level: the bytes of a block are compared with each binade the block reaches. Real
// tensors reach a dozen or two; a block that reaches very many is counted byte by byte.
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

/// Above this many binades, counting byte by byte is cheaper than a comparison a binade.
inline constexpr unsigned widest_compared_range = 56;

/// Occurrences of first, first + 1, ... first + BINS - 1; count is a multiple of the vector length.
template <std::size_t BINS>
HWY_INLINE void count_bytes(const std::uint8_t *bytes, std::size_t count, unsigned first, std::uint32_t *bins) {
    const hn::ScalableTag<std::uint8_t> d;
    const hn::Repartition<std::uint64_t, decltype(d)> d64;
    using B = hn::Vec<decltype(d)>;
    B wanted[BINS];
    for (std::size_t b = 0; b < BINS; ++b) wanted[b] = hn::Set(d, static_cast<std::uint8_t>(first + b));
    const std::size_t stretch = 128 * hn::Lanes(d); // a byte counts to 255
    for (std::size_t begin = 0; begin < count; begin += stretch) {
        B counted[BINS];
        for (std::size_t b = 0; b < BINS; ++b) counted[b] = hn::Zero(d);
        const std::size_t end = std::min(count, begin + stretch);
        for (std::size_t i = begin; i < end; i += hn::Lanes(d)) {
            const B v = hn::Load(d, bytes + i);
#pragma GCC unroll 8
            for (std::size_t b = 0; b < BINS; ++b) // equal bytes are -1
                counted[b] = hn::Sub(counted[b], hn::VecFromMask(d, hn::Eq(v, wanted[b])));
        }
        for (std::size_t b = 0; b < BINS; ++b)
            bins[first + b] += static_cast<std::uint32_t>(hn::GetLane(hn::SumOfLanes(d64, hn::SumsOf8(counted[b]))));
    }
}

/// Adds the occurrences of [low, high] to bins; other bytes are left alone.
HWY_INLINE void count_exponents(const std::uint8_t *bytes, std::size_t count, unsigned low, unsigned high,
                                std::uint32_t *bins) {
    if (high - low >= widest_compared_range) {
        std::array<std::array<std::uint16_t, 256>, 4> tables{}; // four, so that equal neighbours do not wait
        for (std::size_t i = 0; i < count; i += 4)
            for (std::size_t t = 0; t < 4; ++t) ++tables[t][bytes[i + t]];
        for (unsigned b = low; b <= high; ++b)
            bins[b] += std::uint32_t{tables[0][b]} + tables[1][b] + tables[2][b] + tables[3][b];
        return;
    }
    unsigned first = low;
    for (; first + 7 <= high + 1; first += 7) count_bytes<7>(bytes, count, first, bins);
    switch (high + 1 - first) {
    case 0: return;
    case 6: return count_bytes<6>(bytes, count, first, bins);
    case 5: return count_bytes<5>(bytes, count, first, bins);
    case 4: return count_bytes<4>(bytes, count, first, bins);
    case 3: return count_bytes<3>(bytes, count, first, bins);
    case 2: return count_bytes<2>(bytes, count, first, bins);
    default: return count_bytes<1>(bytes, count, first, bins);
    }
}

#endif

} // namespace halfscope::number::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
