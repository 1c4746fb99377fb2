// Vectors of fp32 rounded to a storage format, per SIMD level. Same bits as round_scalar.h.
#include "emulation/number/fused.h"
#include "emulation/number/philox.h"
#include "emulation/number/round_array.h"

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#if defined(HALFSCOPE_ROUND_VECTORS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_ROUND_VECTORS_INL_H
#undef HALFSCOPE_ROUND_VECTORS_INL_H
#else
#define HALFSCOPE_ROUND_VECTORS_INL_H
#endif

#undef HALFSCOPE_F16C
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
#define HALFSCOPE_F16C 1 // these levels have the F16C conversions, which keep subnormals whatever MXCSR says
#else
#define HALFSCOPE_F16C 0
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::number::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR

using Floats = hn::ScalableTag<float>;
using Words = hn::RebindToUnsigned<Floats>;
using Signed = hn::RebindToSigned<Floats>;
using Halves = hn::Rebind<std::uint16_t, Floats>;
using F = hn::Vec<Floats>;
using W = hn::Vec<Words>;

HWY_INLINE F as_floats(W words) { return hn::BitCast(Floats(), words); }
HWY_INLINE W as_words(F floats) { return hn::BitCast(Words(), floats); }
HWY_INLINE W constant(std::uint32_t value) { return hn::Set(Words(), value); }
HWY_INLINE W magnitude_of(F x) { return hn::And(as_words(x), constant(0x7FFFFFFFu)); }
HWY_INLINE W sign_of(F x) { return hn::And(as_words(x), constant(0x80000000u)); }
/// a < b of values below 2^31, which compare as signed integers do.
HWY_INLINE hn::Mask<Floats> less(W a, W b) {
    const Signed di;
    return hn::RebindMask(Floats(), hn::Lt(hn::BitCast(di, a), hn::BitCast(di, b)));
}

/// What rounding needs besides the values.
struct RoundingRequest {
    bool flush;            ///< results below smallest_normal become zero
    float smallest_normal; ///< of the format
};

/// x rounded to the format's grid, as fp32. `finite`: no lane is NaN or infinite, which saves work.
template <FormatId format, ArrayRounding rounding, bool finite> HWY_INLINE F round_values(F x, W random) {
    const Floats d;
    const W magnitude = magnitude_of(x);
    W result;
    if constexpr (format == FormatId::fp32) {
        return x;
    } else if constexpr (format == FormatId::bf16) {
        W bits = as_words(x);
        if constexpr (rounding == ArrayRounding::nearest_even)
            bits = hn::Add(bits, hn::Add(hn::And(hn::ShiftRight<16>(bits), constant(1)), constant(0x7FFF)));
        if constexpr (rounding == ArrayRounding::stochastic) bits = hn::Add(bits, hn::ShiftRight<16>(random));
        result = hn::And(bits, constant(0xFFFF0000u));
        if constexpr (finite) return as_floats(result);
        const W quiet = hn::And(hn::Or(as_words(x), constant(0x00400000u)), constant(0xFFFF0000u));
        const F kept = hn::IfThenElse(less(magnitude, constant(0x7F800000u)), as_floats(result), x);
        return hn::IfThenElse(hn::IsNaN(x), as_floats(quiet), kept);
    } else {
        const F size = as_floats(magnitude);
        // Normal results lose 13 bits; subnormal ones lie on a fixed grid of 2^-24.
        W normal = magnitude;
        F subnormal;
        if constexpr (rounding == ArrayRounding::nearest_even) {
            normal = hn::Add(normal, hn::Add(hn::And(hn::ShiftRight<13>(normal), constant(1)), constant(0xFFF)));
            subnormal = hn::Sub(hn::Add(size, hn::Set(d, 0.5F)), hn::Set(d, 0.5F)); // ulp(0.5) is 2^-24
        } else {
            const Signed di;
            const F scaled = hn::Mul(hn::Min(size, hn::Set(d, 1.0F)), hn::Set(d, 0x1p24F));
            auto kept = hn::ConvertTo(di, scaled);
            if constexpr (rounding == ArrayRounding::stochastic) {
                normal = hn::Add(normal, hn::ShiftRight<19>(random));
                const F discarded = hn::Sub(scaled, hn::ConvertTo(d, kept));
                const auto fraction = hn::ConvertTo(di, hn::Mul(discarded, hn::Set(d, 0x1p31F)));
                const W carry = hn::ShiftRight<31>(hn::Add(hn::BitCast(Words(), fraction), hn::ShiftRight<1>(random)));
                kept = hn::Add(kept, hn::BitCast(di, carry));
            }
            subnormal = hn::Mul(hn::ConvertTo(d, kept), hn::Set(d, 0x1p-24F));
        }
        normal = hn::And(normal, constant(0xFFFFE000u));
        const W largest = constant(rounding == ArrayRounding::toward_zero ? 0x477FE000u : 0x7F800000u);
        normal = hn::BitCast(
            Words(), hn::IfThenElse(less(normal, constant(0x47800000u)), as_floats(normal), as_floats(largest)));
        result = as_words(hn::IfThenElse(less(magnitude, constant(0x38800000u)), subnormal, as_floats(normal)));
        if constexpr (!finite) {
            const W quiet = hn::And(hn::Or(magnitude, constant(0x00400000u)), constant(0xFFFFE000u));
            result = as_words(hn::IfThenElse(less(magnitude, constant(0x7F800000u)), as_floats(result),
                                             hn::IfThenElse(hn::IsNaN(x), as_floats(quiet), size)));
        }
        return as_floats(hn::Or(result, sign_of(x)));
    }
}

HWY_INLINE F flushed(F y, const RoundingRequest &request) {
    const F limit = hn::Set(Floats(), request.flush ? request.smallest_normal : 0.0F);
    return hn::IfThenElse(hn::Lt(hn::Abs(y), limit), as_floats(sign_of(y)), y);
}

#if !HALFSCOPE_F16C
/// The fp16 encodings of values that are fp16 numbers, in the low half of each word.
HWY_INLINE W encode_fp16(F y) {
    const Floats d;
    const W magnitude = magnitude_of(y);
    const W normal = hn::Sub(hn::ShiftRight<13>(magnitude), constant(112u << 10));
    const W subnormal = hn::Sub(as_words(hn::Add(as_floats(magnitude), hn::Set(d, 0.5F))), constant(0x3F000000u));
    const W special = hn::Or(hn::And(hn::ShiftRight<13>(magnitude), constant(0x3FFu)), constant(0x7C00u));
    F result = hn::IfThenElse(less(magnitude, constant(0x38800000u)), as_floats(subnormal), as_floats(normal));
    result = hn::IfThenElse(less(magnitude, constant(0x7F800000u)), result, as_floats(special));
    return hn::Or(as_words(result), hn::ShiftRight<16>(sign_of(y)));
}
#endif

/// Where rounded values go: nowhere, to memory through the caches, or past them.
enum class Destination { none, memory, stream };

template <Destination destination, typename D, typename V, typename T> HWY_INLINE void put(V v, D d, T *to) {
    if constexpr (destination == Destination::memory) hn::StoreU(v, d, to);
    if constexpr (destination == Destination::stream) hn::Stream(v, d, to);
}

/// Stores a vector of values that are numbers of the format.
template <FormatId format, Destination destination> HWY_INLINE void store_vector(F y, void *to) {
    if constexpr (destination == Destination::none) {
        return;
    } else if constexpr (format == FormatId::fp32) {
        put<destination>(y, Floats(), static_cast<float *>(to));
    } else {
        const Halves d16;
        auto *half = static_cast<std::uint16_t *>(to);
        if constexpr (format == FormatId::bf16) {
            put<destination>(hn::DemoteTo(d16, hn::BitCast(Signed(), hn::ShiftRight<16>(as_words(y)))), d16, half);
        } else {
#if HALFSCOPE_F16C
            const hn::Rebind<hwy::float16_t, Floats> dh;
            put<destination>(hn::BitCast(d16, hn::DemoteTo(dh, y)), d16, half);
#else
            put<destination>(hn::DemoteTo(d16, hn::BitCast(Signed(), encode_fp16(y))), d16, half);
#endif
        }
    }
}

/// Two vectors of bf16 numbers: AVX2 packs them together in half the instructions.
template <FormatId format, Destination destination> HWY_INLINE void store_pair(F y0, F y1, void *to) {
#if HWY_TARGET == HWY_AVX2
    const __m256i packed =
        _mm256_packus_epi32(hn::ShiftRight<16>(as_words(y0)).raw, hn::ShiftRight<16>(as_words(y1)).raw);
    const hn::ScalableTag<std::uint16_t> d16;
    put<destination>(hn::Vec<decltype(d16)>{_mm256_permute4x64_epi64(packed, 0xD8)}, d16,
                     static_cast<std::uint16_t *>(to));
#else
    store_vector<format, destination>(y0, to);
    store_vector<format, destination>(y1, static_cast<std::uint16_t *>(to) + hn::Lanes(Floats()));
#endif
}

/// fma(x, x, total).
HWY_INLINE F add_square(F x, F total) {
#if HWY_NATIVE_FMA
    return hn::MulAdd(x, x, total);
#else
    HWY_ALIGN float terms[hn::MaxLanes(Floats())], totals[hn::MaxLanes(Floats())];
    hn::Store(x, Floats(), terms);
    hn::Store(total, Floats(), totals);
    for (std::size_t i = 0; i < hn::MaxLanes(Floats()); ++i) totals[i] = fused(terms[i], terms[i], totals[i]);
    return hn::Load(Floats(), totals);
#endif
}

/// Whether two vectors are stored together, at the second.
template <FormatId format> inline constexpr bool stores_pairs = HWY_TARGET == HWY_AVX2 &&format == FormatId::bf16;

/// Rounds vector number `v` of a run and stores it (a vector that is stored with the one before, both). `previous` is
/// the result for vector v - 1. Returns the result as fp32.
template <FormatId format, ArrayRounding rounding, bool finite, Destination destination>
HWY_INLINE F round_vector(F x, W random, const RoundingRequest &request, std::size_t v, F previous, void *to) {
    auto *at = static_cast<std::byte *>(to) + v * hn::Lanes(Floats()) * (format == FormatId::fp32 ? 4 : 2);
#if HALFSCOPE_F16C
    if constexpr (format == FormatId::fp16 && rounding == ArrayRounding::nearest_even && finite) {
        const hn::Rebind<hwy::float16_t, Floats> dh;
        const Halves d16;
        const auto half = hn::DemoteTo(dh, x);
        put<destination>(hn::BitCast(d16, half), d16, reinterpret_cast<std::uint16_t *>(at));
        return hn::PromoteTo(Floats(), half);
    }
#endif
    F y = round_values<format, rounding, finite>(x, random);
    if constexpr (!finite) y = flushed(y, request);
    if constexpr (stores_pairs<format>) {
        if (v % 2 == 1) store_pair<format, destination>(previous, y, at - hn::Lanes(Floats()) * 2);
    } else {
        store_vector<format, destination>(y, at);
    }
    return y;
}

HWY_INLINE F widen_fp16(const std::uint16_t *from) {
    const auto half = hn::LoadU(Halves(), from);
#if HALFSCOPE_F16C
    return hn::PromoteTo(Floats(), hn::BitCast(hn::Rebind<hwy::float16_t, Floats>(), half));
#else
    // Exponent and significand moved into place are the value times 2^-112, subnormals included; one exact multiply
    // restores it. Infinity and NaN get their exponent by hand, NaN its quiet bit.
    const W word = hn::PromoteTo(Words(), half), magnitude = hn::And(word, constant(0x7FFFu));
    const W moved = hn::ShiftLeft<13>(magnitude);
    const F scaled = hn::Mul(as_floats(moved), hn::Set(Floats(), 0x1p112F));
    const F infinite = as_floats(hn::Or(moved, constant(0x7F800000u)));
    const F quiet = as_floats(hn::Or(moved, constant(0x7FC00000u)));
    F value = hn::IfThenElse(less(magnitude, constant(0x7C00u)), scaled, infinite);
    value = hn::IfThenElse(less(constant(0x7C00u), magnitude), quiet, value);
    return as_floats(hn::Or(as_words(value), hn::ShiftLeft<16>(hn::And(word, constant(0x8000u)))));
#endif
}

HWY_INLINE F widen_bf16(const std::uint16_t *from) {
    return as_floats(hn::ShiftLeft<16>(hn::PromoteTo(Words(), hn::LoadU(Halves(), from))));
}

/// 32 x 32 -> 64 bit products, high and low words in place.
HWY_INLINE void multiply_words(W a, std::uint32_t b, W &high, W &low) {
    const hn::RepartitionToWide<Words> dw;
    const auto factor = constant(b);
    const auto even = hn::MulEven(a, factor);
    const auto odd = hn::MulEven(hn::BitCast(Words(), hn::ShiftRight<32>(hn::BitCast(dw, a))), factor);
    low = hn::OddEven(hn::BitCast(Words(), hn::ShiftLeft<32>(odd)), hn::BitCast(Words(), even));
    high = hn::OddEven(hn::BitCast(Words(), odd), hn::BitCast(Words(), hn::ShiftRight<32>(even)));
}

/// Fills `words` with words 4 * first_block ... of the stream, whole vectors of blocks at a time: at most
/// 4 * (lanes - 1) words more than count.
HWY_INLINE void random_words(const RandomStream &stream, std::uint64_t first_block, std::size_t count,
                             std::uint32_t *words) {
    const Words d;
    HWY_ALIGN std::uint32_t low[hn::MaxLanes(Words())], high[hn::MaxLanes(Words())];
    for (std::size_t done = 0; done < count; done += 4 * hn::Lanes(d)) {
        for (std::size_t lane = 0; lane < hn::Lanes(d); ++lane) {
            const PhiloxCounter counter = stream.counter(first_block + done / 4 + lane);
            low[lane] = counter[0];
            high[lane] = counter[1];
        }
        W c0 = hn::Load(d, low), c1 = hn::Load(d, high), c2 = constant(stream.step), c3 = constant(stream.tensor);
        PhiloxKey key = stream.key();
        for (int round = 0; round < philox_rounds; ++round) {
            W high0, low0, high1, low1;
            multiply_words(c0, philox_multipliers[0], high0, low0);
            multiply_words(c2, philox_multipliers[1], high1, low1);
            c0 = hn::Xor(hn::Xor(high1, c1), constant(key[0]));
            c2 = hn::Xor(hn::Xor(high0, c3), constant(key[1]));
            c1 = low1;
            c3 = low0;
            key[0] += philox_key_increments[0];
            key[1] += philox_key_increments[1];
        }
        hn::StoreInterleaved4(c0, c1, c2, c3, d, words + done);
    }
}

#endif // HWY_TARGET != HWY_SCALAR

} // namespace halfscope::number::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
