// Rows of a product whose accumulation takes k in blocks (accumulation_model.h), per SIMD level. Lanes are columns.
//
// One fused add of a tensor core (number/tensor_core.h), in lanes:
//   E  = max over the block of (exponent of a + exponent of b), in 16-bit integers, and the accumulator's exponent;
//   p  = a * b in fp32, times 2^(F - E), cut to an integer by the conversion; the integers are added up;
//   the sum's magnitude is cut to 24 bits, made a float, multiplied by 2^(E - F), given its sign.
// It is exact under these conditions:
//   1. Finite non-zero operands have exponents in [smallest, largest] of WindowOf, so p is exact (22 bits at most, and
//      normal), 2^(F - E) and 2^(E - F) are normal floats, and p * 2^(F - E) is exact or below 1, where it is cut to 0.
//   2. E is not below twice `smallest`: the accumulator is a multiple of 2^(2 smallest - F) like every term, so that
//   when
//      all products are zero nothing of it is cut. A given start, or what a block outside the window left, may be
//      smaller: see any_small.
//   3. Sums fit 32 bits: a product is below (2 - 2^-10)^2 * 2^F, the sum of 16 with F = 25 below 2^31 - 2^20; the
//      accumulator adds less than 2^26, and only then the 32 bits may wrap; the magnitude shows it by being 2^31 - 2^26
//      or more.
//   4. The float is exact, see cut_to_float.
// Blocks that break a condition (infinities and NaN, bf16 and tf32 outside the window, sums that may have wrapped) are
// found by a comparison a row and block, and left to wide_block-inl.h.
//
// Cost of a product in a vector of columns: two multiplications, a conversion, an addition, and half a vector's
// addition and maximum of exponents each: 5 instructions where an fma chain has 1. The rest, about 25 instructions a
// block, spread over its products. On a Zen 3 core (AVX2) the four instructions alone take 2.8 times an fma's time, all
// counted about 4.3 times: that is reached (0.22 of OpenBLAS's sgemm).
#include "emulation/ops/matmul/accumulation_model.h"
#include "emulation/ops/matmul/register_tile-inl.h"
#include "emulation/ops/matmul/wide_block-inl.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#if defined(HALFSCOPE_BLOCK_TILE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_BLOCK_TILE_INL_H
#undef HALFSCOPE_BLOCK_TILE_INL_H
#else
#define HALFSCOPE_BLOCK_TILE_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR
using Exponents = hn::Repartition<std::int16_t, Lanes<float>>;
#endif

/// Blocks never straddle stretches of k, and a stretch filled up to whole blocks fits a packed row.
static_assert(depth_block % 16 == 0 && row_pitch >= depth_block);

HWY_INLINE std::size_t whole_blocks(const BlockModel &model, std::size_t depth) {
    return (depth + model.block - 1) / model.block * model.block;
}

/// Exponents that finite non-zero operands may have in lanes, and what stands for the others.
struct WindowOf {
    explicit WindowOf(const BlockModel &model)
        : smallest(model.operands == number::FormatId::fp16 ? -14 : -50),
          largest(model.operands == number::FormatId::fp16 ? 15 : 60),
          subnormals(model.operands == number::FormatId::fp16) {}
    int smallest, largest;
    bool subnormals; ///< smaller values have exponent `smallest`, else they are outside
    /// A zero's: no sum with one reaches 2 * smallest. Anything outside: every sum with one is beyond `limit`.
    static constexpr int zero = -400, outside = 2000;
    /// E of blocks for the lanes is at most this; an infinite or NaN accumulator has 128.
    static constexpr int limit = 127;
};

HWY_INLINE hn::Vec<Words> exponent_codes(const WindowOf &w, hn::Vec<Lanes<float>> v) {
    const Words di;
    const auto magnitude = hn::BitCast(di, hn::Abs(v));
    auto e = hn::Sub(hn::ShiftRight<23>(magnitude), hn::Set(di, 127));
    if (w.subnormals)
        e = hn::Max(e, hn::Set(di, w.smallest));
    else
        e = hn::IfThenElse(hn::Lt(e, hn::Set(di, w.smallest)), hn::Set(di, WindowOf::outside), e);
    e = hn::IfThenElse(hn::Gt(e, hn::Set(di, w.largest)), hn::Set(di, WindowOf::outside), e);
    return hn::IfThenElse(hn::Eq(magnitude, hn::Zero(di)), hn::Set(di, WindowOf::zero), e);
}

/// What the unit reads: tf32 is cut (a NaN stays one, wherever its payload), VDPBF16PS takes subnormals for zeros.
template <typename D, typename V> HWY_INLINE V as_operand(D d, const BlockModel &model, V v) {
    const hn::RebindToUnsigned<D> du;
    if (model.operands == number::FormatId::tf32) {
        const V cut = hn::BitCast(d, hn::And(hn::BitCast(du, v), hn::Set(du, 0xFFFFE000u)));
        return hn::IfThenElse(hn::IsNaN(v), hn::NaN(d), cut);
    }
    if (!model.core) return hn::IfThenElse(hn::Lt(hn::Abs(v), hn::Set(d, 0x1p-126F)), hn::CopySign(hn::Zero(d), v), v);
    return v;
}

/// Elements of a stretch of packed rows with their exponents.
constexpr std::size_t prepared_rows_size(std::size_t rows) { return 2 * rows * row_pitch; }
/// Where the exponents of the packed rows lie: each twice in a word, for a broadcast to 16-bit lanes.
HWY_INLINE const std::int32_t *row_exponents(const float *packed, std::size_t rows) {
    return reinterpret_cast<const std::int32_t *>(packed + rows * row_pitch);
}

/// Makes a stretch of packed rows ready for run_block_rows, in place: `packed` has room for prepared_rows_size(rows).
inline void prepare_rows(const BlockModel &model, std::size_t rows, std::size_t depth, float *packed) {
    const Lanes<float> d;
    const Words di;
    const WindowOf window(model);
    const std::size_t filled = whole_blocks(model, depth);
    float *exponents = packed + rows * row_pitch;
    for (std::size_t row = 0; row < rows; ++row, packed += row_pitch, exponents += row_pitch) {
        std::fill(packed + depth, packed + std::min(row_pitch, filled + lane_count<float>), 0.0F);
        for (std::size_t k = 0; k < filled; k += lane_count<float>) {
            const auto v = as_operand(d, model, hn::LoadU(d, packed + k));
            const auto e = exponent_codes(window, v);
            hn::StoreU(v, d, packed + k);
            const auto twice = hn::Or(hn::And(e, hn::Set(di, 0xFFFF)), hn::ShiftLeft<16>(e));
            hn::StoreU(hn::BitCast(d, twice), d, exponents + k);
        }
    }
}

/// Columns' exponents beside each other in 16 bits.
HWY_INLINE void store_exponents(hn::Vec<Words> e0, hn::Vec<Words> e1, std::int16_t *to) {
#if HWY_TARGET == HWY_SCALAR // has no vectors of another size
    to[0] = static_cast<std::int16_t>(hn::GetLane(e0));
    to[1] = static_cast<std::int16_t>(hn::GetLane(e1));
#else
    const Exponents de;
    const hn::Half<Exponents> half;
    hn::Store(hn::Combine(de, hn::DemoteTo(half, e1), hn::DemoteTo(half, e0)), de, to);
#endif
}

/// max(bottom, a[k] + b[k * tile_columns + j]) over k for the columns j.
template <std::size_t BLOCK>
HWY_INLINE void largest_exponents(const std::int32_t *a, const std::int16_t *b, int bottom, hn::Vec<Words> &e0,
                                  hn::Vec<Words> &e1) {
    const Words di;
#if HWY_TARGET == HWY_SCALAR
    int top0 = bottom, top1 = bottom;
    for (std::size_t k = 0; k < BLOCK; ++k) {
        const int e = static_cast<std::int16_t>(a[k] & 0xFFFF);
        top0 = std::max(top0, e + b[2 * k]);
        top1 = std::max(top1, e + b[2 * k + 1]);
    }
    e0 = hn::Set(di, top0);
    e1 = hn::Set(di, top1);
#else
    const Exponents de;
    const hn::Half<Exponents> half;
    auto top = hn::Set(de, static_cast<std::int16_t>(bottom));
#pragma GCC unroll 16
    for (std::size_t k = 0; k < BLOCK; ++k)
        top = hn::Max(top, hn::Add(hn::BitCast(de, hn::Set(di, a[k])), hn::Load(de, b + k * tile_columns<float>)));
    e0 = hn::PromoteTo(di, hn::LowerHalf(half, top));
    e1 = hn::PromoteTo(di, hn::UpperHalf(half, top));
#endif
}

/// A stretch of a packed panel made ready for run_block_rows.
class PreparedPanel {
  public:
    /// `panel` must outlive this.
    void prepare(const BlockModel &model, std::size_t depth, const float *panel) {
        const Lanes<float> d;
        const WindowOf window(model);
        const std::size_t filled = whole_blocks(model, depth), width = tile_columns<float>;
        const bool as_it_is = filled == depth && model.core && model.operands != number::FormatId::tf32;
        values_ = as_it_is ? panel : copy_;
        for (std::size_t k = 0; k < depth; ++k) {
            const auto v0 = as_operand(d, model, hn::Load(d, panel + k * width)),
                       v1 = as_operand(d, model, hn::Load(d, panel + k * width + lane_count<float>));
            store_exponents(exponent_codes(window, v0), exponent_codes(window, v1), exponents_ + k * width);
            if (as_it_is) continue;
            hn::Store(v0, d, copy_ + k * width);
            hn::Store(v1, d, copy_ + k * width + lane_count<float>);
        }
        if (filled == depth) return;
        std::fill(copy_ + depth * width, copy_ + filled * width, 0.0F);
        std::fill(exponents_ + depth * width, exponents_ + filled * width, std::int16_t{WindowOf::zero});
    }
    const float *values() const { return values_; }
    const std::int16_t *exponents() const { return exponents_; }

  private:
    const float *values_ = nullptr;
    HWY_ALIGN float copy_[depth_block * tile_columns<float>];
    HWY_ALIGN std::int16_t exponents_[depth_block * tile_columns<float>];
};

/// One row of fused adds of BLOCK products: tile_columns accumulators at `out`.
template <std::size_t BLOCK, bool FP16_ACCUMULATOR> class FusedAdd {
  public:
    explicit FusedAdd(const BlockModel &model)
        : wide_(model), bottom_(2 * WindowOf(model).smallest), fraction_bits_(model.core->fraction_bits) {}

    /// ROWS rows at once: their blocks depend on nothing of each other, so one's additions hide the other's waiting.
    template <std::size_t ROWS>
    HWY_INLINE void run(std::size_t depth, const float *a, const std::int32_t *exponents_a, const float *b,
                        const std::int16_t *exponents_b, float *out, std::size_t stride) const {
        const Lanes<float> d;
        V c[ROWS][2];
        for (std::size_t r = 0; r < ROWS; ++r)
            for (std::size_t v = 0; v < 2; ++v) c[r][v] = hn::LoadU(d, out + r * stride + v * lane_count<float>);
        bool small = any_small(c);
        for (std::size_t k = 0; k < depth; k += BLOCK, b += BLOCK * tile_columns<float>) {
            V next[ROWS][2];
            const std::int16_t *exponents = exponents_b + k * tile_columns<float>;
            if (HWY_UNLIKELY(small || !block<ROWS>(a + k, exponents_a + k, b, exponents, c, next))) {
                for (std::size_t r = 0; r < ROWS; ++r) {
                    HWY_ALIGN float lanes[tile_columns<float>];
                    for (std::size_t v = 0; v < 2; ++v) hn::Store(c[r][v], d, lanes + v * lane_count<float>);
                    wide_.add(a + r * row_pitch + k, b, lanes);
                    for (std::size_t v = 0; v < 2; ++v) next[r][v] = hn::Load(d, lanes + v * lane_count<float>);
                }
                small = any_small(next);
            }
            for (std::size_t r = 0; r < ROWS; ++r)
                for (std::size_t v = 0; v < 2; ++v) c[r][v] = next[r][v];
        }
        for (std::size_t r = 0; r < ROWS; ++r)
            for (std::size_t v = 0; v < 2; ++v) hn::StoreU(c[r][v], d, out + r * stride + v * lane_count<float>);
    }

  private:
    using V = hn::Vec<Lanes<float>>;
    using I = hn::Vec<Words>;

    /// Whether an accumulator may break condition 2: one not zero and below 2^(2 * smallest).
    template <std::size_t ROWS> HWY_INLINE bool any_small(const V (&c)[ROWS][2]) const {
        const Lanes<float> d;
        const V least = hn::BitCast(d, hn::Set(Words(), (bottom_ + 127) << 23));
        V smallest = least;
        for (std::size_t r = 0; r < ROWS; ++r)
            for (std::size_t v = 0; v < 2; ++v) {
                const V magnitude = hn::Abs(c[r][v]);
                smallest = hn::Min(smallest, hn::IfThenElse(hn::Eq(magnitude, hn::Zero(d)), least, magnitude));
            }
        return !hn::AllTrue(d, hn::Eq(smallest, least));
    }

    /// next = c + the block's products; false, and `next` worthless, when a lane breaks a condition.
    template <std::size_t ROWS>
    HWY_INLINE bool block(const float *a, const std::int32_t *exponents_a, const float *b,
                          const std::int16_t *exponents_b, const V (&c)[ROWS][2], V (&next)[ROWS][2]) const {
        const Lanes<float> d;
        const Words di;
        I e[ROWS][2], sum[ROWS][2];
        V down[ROWS][2];
        for (std::size_t r = 0; r < ROWS; ++r) {
            largest_exponents<BLOCK>(exponents_a + r * row_pitch, exponents_b, bottom_, e[r][0], e[r][1]);
            for (std::size_t v = 0; v < 2; ++v) {
                e[r][v] = hn::Max(e[r][v], exponent_of(c[r][v]));
                down[r][v] = power_of_two(hn::Sub(hn::Set(di, fraction_bits_), e[r][v]));
                sum[r][v] = cut_to_integer(hn::Mul(c[r][v], down[r][v]));
            }
        }
        // Not unrolled further: compilers would turn the sums into trees with more terms than registers.
#pragma GCC unroll 1
        for (std::size_t k0 = 0; k0 < BLOCK; k0 += 4)
#pragma GCC unroll 4
            for (std::size_t k = k0; k < k0 + 4; ++k) {
                const V b0 = hn::Load(d, b + k * tile_columns<float>),
                        b1 = hn::Load(d, b + k * tile_columns<float> + lane_count<float>);
                for (std::size_t r = 0; r < ROWS; ++r) {
                    const V x = hn::Set(d, a[r * row_pitch + k]);
                    sum[r][0] = hn::Add(sum[r][0], cut_to_integer(hn::Mul(hn::Mul(x, b0), down[r][0])));
                    sum[r][1] = hn::Add(sum[r][1], cut_to_integer(hn::Mul(hn::Mul(x, b1), down[r][1])));
                }
            }
        auto largest = e[0][0];
        const hn::RebindToUnsigned<Words> du;
        auto sums = hn::Zero(du);
        for (std::size_t r = 0; r < ROWS; ++r)
            for (std::size_t v = 0; v < 2; ++v) {
                const I magnitude = hn::Abs(sum[r][v]);
                largest = hn::Max(largest, e[r][v]);
                sums = hn::Max(sums, hn::BitCast(du, magnitude));
                next[r][v] = rounded(sum[r][v], magnitude, e[r][v]);
            }
        auto broken = hn::Gt(largest, hn::Set(di, WindowOf::limit));
        if constexpr (BLOCK == 16) // the only one with sums that large
            broken = hn::Or(broken, hn::RebindMask(di, hn::Gt(sums, hn::Set(du, 0x7BFFFFFFu))));
        return hn::AllFalse(di, broken);
    }

    HWY_INLINE I exponent_of(V c) const {
        const Words di;
        const I magnitude = hn::BitCast(di, hn::Abs(c));
        const I e = hn::Sub(hn::ShiftRight<23>(magnitude), hn::Set(di, 127));
        if constexpr (!FP16_ACCUMULATOR) return e; // zeros and subnormals: -127, below any E
        return hn::IfThenElse(hn::Eq(magnitude, hn::Zero(di)), e, hn::Max(e, hn::Set(di, -14)));
    }
    HWY_INLINE V rounded(I sum, I magnitude, I e) const {
        const I exponent = hn::Sub(e, hn::Set(Words(), fraction_bits_));
        if constexpr (FP16_ACCUMULATOR) return rounded_to_fp16(sum, magnitude, exponent);
        return with_sign_of(hn::Mul(cut_to_float(magnitude), power_of_two(exponent)), sum);
    }

    WideBlock<BLOCK, FP16_ACCUMULATOR> wide_;
    int bottom_, fraction_bits_;
};

template <std::size_t BLOCK, bool FP16_ACCUMULATOR>
HWY_NOINLINE void run_fused_rows(const BlockModel &model, std::size_t rows, std::size_t depth, const float *a,
                                 const std::int32_t *exponents, const PreparedPanel &b, float *HWY_RESTRICT out,
                                 std::size_t stride, bool resume) {
    const FusedAdd<BLOCK, FP16_ACCUMULATOR> add(model);
    if (!resume)
        for (std::size_t row = 0; row < rows; ++row) std::fill_n(out + row * stride, tile_columns<float>, 0.0F);
    constexpr std::size_t together = 2; // more would not fit the registers
    for (std::size_t row = 0; row < rows;) {
        const float *values = a + row * row_pitch;
        const std::int32_t *codes = exponents + row * row_pitch;
        float *to = out + row * stride;
        if (row + together <= rows) {
            add.template run<together>(depth, values, codes, b.values(), b.exponents(), to, stride);
            row += together;
        } else {
            add.template run<1>(depth, values, codes, b.values(), b.exponents(), to, stride);
            ++row;
        }
    }
}

/// VDPBF16PS, an fma for each element of a pair, the odd one first; tiny results become zeros. Operands are flushed
/// already.
inline HWY_NOINLINE void run_bf16_pairs(const BlockModel &model, std::size_t rows, std::size_t depth, const float *a,
                                        const PreparedPanel &b, float *HWY_RESTRICT out, std::size_t stride,
                                        bool resume) {
    const Lanes<float> d;
    const auto smallest = hn::Set(d, 0x1p-126F);
    for (std::size_t row = 0; row < rows; ++row, a += row_pitch, out += stride) {
        if (!resume) std::fill_n(out, tile_columns<float>, 0.0F);
        for (std::size_t v = 0; v < 2; ++v) {
            float *at = out + v * lane_count<float>;
            const float *column = b.values() + v * lane_count<float>;
            auto c = hn::LoadU(d, at);
            for (std::size_t k = 0; k < depth; k += 2) {
                const auto before = c;
                // A result of exactly 2^-126 may have been rounded up from a tiny one: the reference decides.
                auto doubtful = hn::FirstN(d, 0);
                for (const std::size_t i : {k + 1, k}) {
                    const auto flushed_c =
                        hn::IfThenElse(hn::Lt(hn::Abs(c), smallest), hn::CopySign(hn::Zero(d), c), c);
                    c = FmaStep::step(d, hn::Set(d, a[i]), hn::Load(d, column + i * tile_columns<float>), flushed_c);
                    doubtful = hn::Or(doubtful, hn::Eq(hn::Abs(c), smallest));
                }
                c = hn::IfThenElse(hn::Lt(hn::Abs(c), smallest), hn::CopySign(hn::Zero(d), c), c);
                if (HWY_LIKELY(hn::AllFalse(d, doubtful))) continue;
                HWY_ALIGN float lanes[lane_count<float>];
                hn::Store(before, d, lanes);
                for (std::size_t j = 0; j < lane_count<float>; ++j)
                    lanes[j] = fused_block(model, a + k, column + k * tile_columns<float> + j, tile_columns<float>, 2,
                                           lanes[j]);
                c = hn::Load(d, lanes);
            }
            hn::StoreU(c, d, at);
        }
    }
}

/// `rows` prepared rows times one panel over `depth` values of k, accumulated onto +0, or onto out's values when
/// `resume`. `exponents` are those of the first of these rows.
inline void run_block_rows(const BlockModel &model, std::size_t rows, std::size_t depth, const float *a,
                           const std::int32_t *exponents, const PreparedPanel &b, float *out, std::size_t stride,
                           bool resume) {
    depth = whole_blocks(model, depth);
    if (!model.core) return run_bf16_pairs(model, rows, depth, a, b, out, stride, resume);
    const auto run = [&]<std::size_t BLOCK>() HWY_ATTR {
        if (model.fp16_accumulator)
            run_fused_rows<BLOCK, true>(model, rows, depth, a, exponents, b, out, stride, resume);
        else
            run_fused_rows<BLOCK, false>(model, rows, depth, a, exponents, b, out, stride, resume);
    };
    switch (model.block) {
    case 4: return run.template operator()<4>();
    case 8: return run.template operator()<8>();
    default: return run.template operator()<16>();
    }
}

} // namespace halfscope::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
