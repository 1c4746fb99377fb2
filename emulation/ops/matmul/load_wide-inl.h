// Stored values as lanes of the compute type, and 4 x 4 transposes, per SIMD level.
#include "emulation/number/round_array.h"

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(HALFSCOPE_LOAD_WIDE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_LOAD_WIDE_INL_H
#undef HALFSCOPE_LOAD_WIDE_INL_H
#else
#define HALFSCOPE_LOAD_WIDE_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Storage types as distinct C++ types: fp16 and bf16 are both 16-bit words.
struct StoredFp16 {
    std::uint16_t bits;
};
struct StoredBf16 {
    std::uint16_t bits;
};

HWY_INLINE float widen(StoredFp16 value) { return number::widen_16bit(value.bits, number::FormatId::fp16); }
HWY_INLINE float widen(StoredBf16 value) { return number::widen_16bit(value.bits, number::FormatId::bf16); }
HWY_INLINE float widen(float value) { return value; }
HWY_INLINE double widen(double value) { return value; }

/// Whether whole vectors of this storage type can be loaded as lanes of C; otherwise elements go one by one.
template <typename C, typename Stored>
inline constexpr bool loads_as_vector = std::is_same_v<C, Stored> || (std::is_same_v<C, float> && sizeof(Stored) == 2);

template <typename D> HWY_INLINE hn::Vec<D> load_wide(D d, const hn::TFromD<D> *from) { return hn::LoadU(d, from); }
template <typename D> HWY_INLINE hn::Vec<D> load_wide(D d, const StoredBf16 *from) {
    const hn::Rebind<std::uint16_t, D> d16;
    const hn::RebindToUnsigned<D> du;
    const auto bits = hn::LoadU(d16, reinterpret_cast<const std::uint16_t *>(from));
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, bits)));
}
template <typename D> HWY_INLINE hn::Vec<D> load_wide(D d, const StoredFp16 *from) {
    const hn::Rebind<std::uint16_t, D> d16;
    const auto half = hn::LoadU(d16, reinterpret_cast<const std::uint16_t *>(from));
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
    const hn::Rebind<hwy::float16_t, D> dh;
    return hn::PromoteTo(d, hn::BitCast(dh, half)); // F16C
#else
    // The significand and exponent moved into place are the value times 2^-112, subnormals included; one exact multiply
    // restores it. Infinity and NaN get their exponent by hand, NaN its quiet bit.
    const hn::RebindToUnsigned<D> du;
    const auto word = hn::PromoteTo(du, half);
    const auto magnitude = hn::And(word, hn::Set(du, 0x7FFFu));
    const auto scaled = hn::BitCast(du, hn::Mul(hn::BitCast(d, hn::ShiftLeft<13>(magnitude)), hn::Set(d, 0x1p112F)));
    const auto payload = hn::ShiftLeft<13>(magnitude);
    const auto special = hn::Or(hn::Or(payload, hn::Set(du, 0x7F800000u)),
                                hn::IfThenElseZero(hn::Gt(magnitude, hn::Set(du, 0x7C00u)), hn::Set(du, 0x400000u)));
    const auto value = hn::IfThenElse(hn::Gt(magnitude, hn::Set(du, 0x7BFFu)), special, scaled);
    return hn::BitCast(d, hn::Or(value, hn::ShiftLeft<16>(hn::And(word, hn::Set(du, 0x8000u)))));
#endif
}

/// out[i * count + ...]: widens `count` contiguous values.
template <typename C, typename Stored> HWY_INLINE void widen_run(const Stored *from, std::size_t count, C *to) {
    std::size_t i = 0;
    if constexpr (loads_as_vector<C, Stored>) {
        const hn::ScalableTag<C> d;
        for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) hn::StoreU(load_wide(d, from + i), d, to + i);
    }
    for (; i < count; ++i) to[i] = static_cast<C>(widen(from[i]));
}

/// to[j * to_pitch + i] = from[i * from_pitch + j] for i < outer, j < inner: the source is contiguous along j, the
/// result along i.
template <typename C, typename Stored>
HWY_INLINE void transpose_run(const Stored *from, std::size_t from_pitch, std::size_t outer, std::size_t inner, C *to,
                              std::size_t to_pitch) {
    std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
    if constexpr (std::is_same_v<C, float> && loads_as_vector<C, Stored>) {
        const hn::FixedTag<float, 4> d;
        const hn::Repartition<double, decltype(d)> dd;
        for (; i + 4 <= outer; i += 4) {
            const Stored *row = from + i * from_pitch;
            std::size_t j = 0;
            for (; j + 4 <= inner; j += 4) {
                const auto r0 = load_wide(d, row + j), r1 = load_wide(d, row + from_pitch + j);
                const auto r2 = load_wide(d, row + 2 * from_pitch + j), r3 = load_wide(d, row + 3 * from_pitch + j);
                const auto low01 = hn::BitCast(dd, hn::InterleaveLower(d, r0, r1));
                const auto low23 = hn::BitCast(dd, hn::InterleaveLower(d, r2, r3));
                const auto high01 = hn::BitCast(dd, hn::InterleaveUpper(d, r0, r1));
                const auto high23 = hn::BitCast(dd, hn::InterleaveUpper(d, r2, r3));
                C *out = to + j * to_pitch + i;
                hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, low01, low23)), d, out);
                hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, low01, low23)), d, out + to_pitch);
                hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, high01, high23)), d, out + 2 * to_pitch);
                hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, high01, high23)), d, out + 3 * to_pitch);
            }
            for (; j < inner; ++j)
                for (std::size_t r = 0; r < 4; ++r)
                    to[j * to_pitch + i + r] = static_cast<C>(widen(row[r * from_pitch + j]));
        }
    }
#endif
    for (; i < outer; ++i)
        for (std::size_t j = 0; j < inner; ++j) to[j * to_pitch + i] = static_cast<C>(widen(from[i * from_pitch + j]));
}

} // namespace halfscope::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
