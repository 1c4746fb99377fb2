// One fused add of a tensor core in lanes for any operands, per SIMD level: what block_tile-inl.h does when a condition
// of its own is broken. Significands and exponents are kept apart, so nothing overflows or underflows on the way:
//   a product is the product of two significands in [0, 2), exact in fp32, times 2^(F + its exponent - E), where that
//   is at most F, and below -100 the product is cut to 0 as it should be; the sum times 2^(E - F) is a float of at most
//   24 bits on the grid of 2^-149: bits below that grid are shifted out first, then two multiplications by normal
//   powers of two are exact, or give the infinity that is due from 2^128 on.
// Infinities and NaN come from a second sum, of signs: finite values count as -1, 0 or 1, so that it is NaN or infinite
// exactly when the model says so. Only sums that may have wrapped 32 bits are left to the scalar reference.
#include "emulation/ops/matmul/accumulation_model.h"
#include "emulation/ops/matmul/register_tile-inl.h"

#include <hwy/highway.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(HALFSCOPE_WIDE_BLOCK_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_WIDE_BLOCK_INL_H
#undef HALFSCOPE_WIDE_BLOCK_INL_H
#else
#define HALFSCOPE_WIDE_BLOCK_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Words = hn::RebindToSigned<Lanes<float>>;

/// |v| < 2^31, else any value. Highway's ConvertTo also serves larger values, at the price of three instructions.
HWY_INLINE hn::Vec<Words> cut_to_integer(hn::Vec<Lanes<float>> v) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
    return hn::Vec<Words>{_mm512_cvttps_epi32(v.raw)};
#elif HWY_TARGET == HWY_AVX2
    return hn::Vec<Words>{_mm256_cvttps_epi32(v.raw)};
#else
    return hn::ConvertTo(Words(), v);
#endif
}
/// 2^exponent for exponents of normal floats.
HWY_INLINE hn::Vec<Lanes<float>> power_of_two(hn::Vec<Words> exponent) {
    return hn::BitCast(Lanes<float>(), hn::ShiftLeft<23>(hn::Add(exponent, hn::Set(Words(), 127))));
}
/// The magnitude cut to 24 bits as a float: clearing the bits m >> 24 of m clears, if m has more than 24 bits, the
/// highest of those to be cut, so that the conversion, to nearest, goes down; none of the 24 kept ones is touched.
HWY_INLINE hn::Vec<Lanes<float>> cut_to_float(hn::Vec<Words> magnitude) {
    return hn::ConvertTo(Lanes<float>(), hn::AndNot(hn::ShiftRight<24>(magnitude), magnitude));
}
HWY_INLINE hn::Vec<Lanes<float>> with_sign_of(hn::Vec<Lanes<float>> magnitude, hn::Vec<Words> sum) {
    const Words di;
    const auto sign = hn::And(sum, hn::Set(di, static_cast<std::int32_t>(0x80000000u)));
    return hn::Or(magnitude, hn::BitCast(Lanes<float>(), sign));
}
/// magnitude * 2^exponent rounded once to fp16, to nearest even; the exponent is that of a normal float.
HWY_INLINE hn::Vec<Lanes<float>> rounded_to_fp16(hn::Vec<Words> sum, hn::Vec<Words> magnitude,
                                                 hn::Vec<Words> exponent) {
    const Lanes<float> d;
    const Words di;
    // What a float cannot hold decides ties: it is kept as an odd last bit.
    const auto cut = cut_to_float(magnitude);
    const auto exact = hn::Eq(hn::ConvertTo(di, cut), magnitude);
    const auto odd = hn::Or(hn::BitCast(di, cut), hn::IfThenZeroElse(exact, hn::Set(di, 1)));
    const auto value = hn::Mul(hn::BitCast(d, odd), power_of_two(exponent));
    return RoundedFmaStep<number::FormatId::fp16>::round(d, with_sign_of(value, sum));
}

template <std::size_t BLOCK, bool FP16_ACCUMULATOR> class WideBlock {
  public:
    explicit WideBlock(const BlockModel &model)
        : model_(model), smallest_(number::format_of(model.operands).emin), fraction_bits_(model.core->fraction_bits) {}

    /// c[j] += the products of a[k] and b[k * tile_columns + j], for tile_columns columns j.
    HWY_NOINLINE void add(const float *a, const float *b, float *c) const {
        const Lanes<float> d;
        for (std::size_t v = 0; v < 2; ++v, b += lane_count<float>, c += lane_count<float>) {
            const auto start = hn::LoadU(d, c);
            bool exact = true;
            hn::StoreU(next(a, b, start, exact), d, c);
            if (exact) continue;
            hn::StoreU(start, d, c);
            for (std::size_t j = 0; j < lane_count<float>; ++j)
                c[j] = fused_block(model_, a, b + j, tile_columns<float>, BLOCK, c[j]);
        }
    }

  private:
    using V = hn::Vec<Lanes<float>>;
    using I = hn::Vec<Words>;
    static constexpr int zero = -1000; ///< exponent that stands for a zero term's
    struct Parts {
        V significand;
        I exponent;
    };

    /// Subnormals of a format have its smallest exponent.
    static HWY_INLINE Parts parts_of(V x, int smallest) {
        const Lanes<float> d;
        const Words di;
        const I bits = hn::BitCast(di, x), magnitude = hn::BitCast(di, hn::Abs(x));
        const I own = hn::Sub(hn::ShiftRight<23>(magnitude), hn::Set(di, 127)), least = hn::Set(di, smallest);
        const V normal = hn::BitCast(
            d, hn::Or(hn::And(bits, hn::Set(di, static_cast<std::int32_t>(0x807FFFFFu))), hn::Set(di, 0x3F800000)));
        const V subnormal = hn::Mul(x, power_of_two(hn::Set(di, -smallest)));
        const auto below = hn::Lt(own, least);
        const I exponent = hn::IfThenElse(hn::Eq(magnitude, hn::Zero(di)), hn::Set(di, zero), hn::Max(own, least));
        return {hn::IfThenElse(hn::RebindMask(d, below), subnormal, normal), exponent};
    }
    static HWY_INLINE V sign_of(V x) {
        const Lanes<float> d;
        const V one = hn::CopySign(hn::Set(d, 1.0F), x), magnitude = hn::Abs(x);
        const V finite = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, one);
        return hn::IfThenElse(hn::Lt(magnitude, hn::Inf(d)), finite, x);
    }
    HWY_INLINE I aligned(V significand, I exponent, I largest) const {
        const Words di;
        const I up = hn::Add(hn::Sub(exponent, largest), hn::Set(di, fraction_bits_));
        return cut_to_integer(hn::Mul(significand, power_of_two(hn::Max(up, hn::Set(di, -100)))));
    }

    HWY_INLINE V next(const float *a, const float *b, V c, bool &exact) const {
        const Lanes<float> d;
        const Words di;
        const Parts start = parts_of(c, FP16_ACCUMULATOR ? -14 : -126);
        I largest = start.exponent;
        V signs = sign_of(c);
        for (std::size_t k = 0; k < BLOCK; ++k) {
            const V x = hn::Set(d, a[k]), y = hn::Load(d, b + k * tile_columns<float>);
            largest = hn::Max(largest, hn::Add(parts_of(x, smallest_).exponent, parts_of(y, smallest_).exponent));
            signs = hn::Add(signs, hn::Mul(sign_of(x), sign_of(y)));
        }
        // No term at all: any exponent serves.
        largest = hn::IfThenElse(hn::Lt(largest, hn::Set(di, zero / 2)), hn::Zero(di), largest);
        I sum = aligned(start.significand, start.exponent, largest);
        for (std::size_t k = 0; k < BLOCK; ++k) {
            const Parts x = parts_of(hn::Set(d, a[k]), smallest_),
                        y = parts_of(hn::Load(d, b + k * tile_columns<float>), smallest_);
            sum =
                hn::Add(sum, aligned(hn::Mul(x.significand, y.significand), hn::Add(x.exponent, y.exponent), largest));
        }
        const I magnitude = hn::Abs(sum);
        const auto special = hn::Not(hn::Lt(hn::Abs(signs), hn::Inf(d)));
        const hn::RebindToUnsigned<Words> du;
        const auto wrapped = hn::RebindMask(d, hn::Gt(hn::BitCast(du, magnitude), hn::Set(du, 0x7BFFFFFFu)));
        exact = hn::AllFalse(d, hn::AndNot(special, wrapped));
        const float nan = FP16_ACCUMULATOR
                              ? number::widen_16bit(number::tensor_core_nan_fp16, number::FormatId::fp16)
                              : std::bit_cast<float>(static_cast<std::uint32_t>(number::tensor_core_nan_fp32));
        const V value = rounded(sum, magnitude, hn::Sub(largest, hn::Set(di, fraction_bits_)));
        return hn::IfThenElse(special, hn::IfThenElse(hn::IsNaN(signs), hn::Set(d, nan), signs), value);
    }

    HWY_INLINE V rounded(I sum, I magnitude, I exponent) const {
        if constexpr (FP16_ACCUMULATOR) return rounded_to_fp16(sum, magnitude, exponent);
        const Words di;
        const hn::RebindToUnsigned<Words> du;
        const I grid = hn::Set(di, -149);
        const I deep = hn::Min(hn::Max(hn::Sub(grid, exponent), hn::Zero(di)), hn::Set(di, 31));
        const I kept = hn::BitCast(di, hn::Shr(hn::BitCast(du, magnitude), hn::BitCast(du, deep)));
        const I up = hn::Max(exponent, grid), half = hn::ShiftRight<1>(up);
        const V value = hn::Mul(hn::Mul(cut_to_float(kept), power_of_two(half)), power_of_two(hn::Sub(up, half)));
        return with_sign_of(value, sum);
    }

    const BlockModel &model_;
    int smallest_, fraction_bits_;
};

} // namespace halfscope::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
