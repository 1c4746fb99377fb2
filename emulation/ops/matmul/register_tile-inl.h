// One register tile of a product, per SIMD level. The chain's step is a policy; where operands lie is a policy; so one
// loop serves matmul and all three convolutions, and a new accumulation is one more step.
#include "emulation/number/fused.h"
#include "emulation/number/round_array.h"

#include <hwy/highway.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

#if defined(HALFSCOPE_REGISTER_TILE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_REGISTER_TILE_INL_H
#undef HALFSCOPE_REGISTER_TILE_INL_H
#else
#define HALFSCOPE_REGISTER_TILE_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <typename C> using Lanes = hn::ScalableTag<C>;
template <typename C> inline constexpr std::size_t lane_count = hn::MaxLanes(Lanes<C>());

/// Two vectors a row; as many rows as the register file holds beside two columns vectors and a broadcast.
template <typename C> inline constexpr std::size_t tile_columns = 2 * lane_count<C>;
inline constexpr std::size_t tile_rows = HWY_MAX_BYTES >= 64 ? 12 : 6;

/// k is cut into stretches of this length, so that a panel of b and the rows of a stay in the first-level cache.
inline constexpr std::size_t depth_block = 256;
/// Rows of packed a are this far apart: not a power of two, which would map them all to the same cache sets.
inline constexpr std::size_t row_pitch = depth_block + 16;

struct FmaStep {
    static constexpr bool hot = true;
    template <typename D, typename V> static HWY_INLINE V step(D d, V a, V b, V sum) {
#if HWY_NATIVE_FMA
        (void)d;
        return hn::MulAdd(a, b, sum);
#else
        using C = hn::TFromD<D>;
        HWY_ALIGN C x[hn::MaxLanes(D())], y[hn::MaxLanes(D())], z[hn::MaxLanes(D())];
        hn::Store(a, d, x);
        hn::Store(b, d, y);
        hn::Store(sum, d, z);
        for (std::size_t i = 0; i < hn::MaxLanes(D()); ++i) z[i] = number::fused(x[i], y[i], z[i]);
        return hn::Load(d, z);
#endif
    }
};

/// The accumulator of fp16_fma_chain and bf16_fma_chain: fp32 lanes that only ever hold values of the 16-bit format.
template <number::FormatId format> struct RoundedFmaStep {
    static constexpr bool hot = false;
    template <typename D, typename V> static HWY_INLINE V step(D d, V a, V b, V sum) {
        return round(d, FmaStep::step(d, a, b, sum));
    }
    template <typename D, typename V> static HWY_INLINE V round(D d, V v) {
        const hn::RebindToUnsigned<D> du;
        if constexpr (format == number::FormatId::bf16) {
            const auto bits = hn::BitCast(du, v);
            const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
            const auto rounded = hn::And(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFFu))), hn::Set(du, 0xFFFF0000u));
            return hn::IfThenElse(hn::IsNaN(v), v, hn::BitCast(d, rounded));
        } else {
            // Adding and subtracting a power of two with the right last place rounds to the format's grid: 2^13 ulp of
            // fp32 for normals (scaled by the value's own binade), a fixed 2^-24 grid below.
            const auto magnitude = hn::Abs(v);
            const auto binade = hn::BitCast(d, hn::And(hn::BitCast(du, magnitude), hn::Set(du, 0x7F800000u)));
            const auto smallest = hn::Set(d, 0x1p-14F);
            // 1.5 * 2^13 * binade: its last place is the format's for this binade.
            const auto magic = hn::Mul(hn::Max(binade, smallest), hn::Set(d, 0x1.8p13F));
            const auto rounded = hn::Sub(hn::Add(magnitude, magic), magic);
            const auto limited = hn::IfThenElse(hn::Ge(rounded, hn::Set(d, 65536.0F)), hn::Inf(d), rounded);
            const auto result = hn::IfThenElse(hn::Ge(magnitude, hn::Set(d, 65536.0F)), hn::Inf(d), limited);
            return hn::IfThenElse(hn::IsNaN(v), v, hn::CopySign(result, v));
        }
    }
};

/// Rows of a, each contiguous in k, at fixed pitch.
template <typename C> struct PackedRows {
    const C *first;
    HWY_INLINE C at(std::size_t row, std::size_t k) const { return first[row * row_pitch + k]; }
    HWY_INLINE void advance(std::size_t steps) { first += steps; }
};

/// Rows anywhere: element k of row r lies at rows[r] + offsets[k].
template <typename C> struct IndirectRows {
    const C *const *rows;
    const std::int32_t *offsets;
    HWY_INLINE C at(std::size_t row, std::size_t k) const { return rows[row][offsets[k]]; }
    HWY_INLINE void advance(std::size_t steps) { offsets += steps; }
};

/// A packed panel of b.
template <typename C> struct PackedPanel {
    const C *first;
    template <typename D> HWY_INLINE hn::Vec<D> load(D d, std::size_t vector, std::size_t k) const {
        return hn::Load(d, first + k * tile_columns<C> + vector * lane_count<C>);
    }
    HWY_INLINE void advance(std::size_t steps) { first += steps * tile_columns<C>; }
};

/// Columns anywhere: row k of vector v lies at columns[v] + offsets[k], contiguous within the vector.
template <typename C> struct IndirectPanel {
    const C *columns[2];
    const std::int32_t *offsets;
    template <typename D> HWY_INLINE hn::Vec<D> load(D d, std::size_t vector, std::size_t k) const {
        return hn::LoadU(d, columns[vector] + offsets[k]);
    }
    HWY_INLINE void advance(std::size_t steps) { offsets += steps; }
};

/// Runs ROWS x tile_columns chains over `depth` values of k. They start from +0, or from out's values when `resume`.
template <typename Step, std::size_t ROWS, typename C, typename RowsOfA, typename PanelOfB>
HWY_NOINLINE void run_tile(std::size_t depth, RowsOfA a, PanelOfB b, C *HWY_RESTRICT out, std::size_t stride,
                           bool resume) {
    const Lanes<C> d;
    using V = hn::Vec<Lanes<C>>;
    V sum[ROWS][2];
    if (resume) {
        for (std::size_t r = 0; r < ROWS; ++r)
            for (std::size_t v = 0; v < 2; ++v) sum[r][v] = hn::LoadU(d, out + r * stride + v * lane_count<C>);
    } else {
        for (std::size_t r = 0; r < ROWS; ++r)
            for (std::size_t v = 0; v < 2; ++v) sum[r][v] = hn::Zero(d);
    }
    const auto one_step = [&](std::size_t k) HWY_ATTR {
        const V b0 = b.load(d, 0, k), b1 = b.load(d, 1, k);
#pragma GCC unroll 12
        for (std::size_t r = 0; r < ROWS; ++r) {
            const V x = hn::Set(d, a.at(r, k));
            sum[r][0] = Step::step(d, x, b0, sum[r][0]);
            sum[r][1] = Step::step(d, x, b1, sum[r][1]);
        }
    };
    if constexpr (Step::hot && sizeof(C) == sizeof(float)) {
        for (; depth >= 4; depth -= 4) {
            one_step(0);
            one_step(1);
            one_step(2);
            one_step(3);
            a.advance(4);
            b.advance(4);
        }
    }
    for (; depth > 0; --depth) {
        one_step(0);
        a.advance(1);
        b.advance(1);
    }
    for (std::size_t r = 0; r < ROWS; ++r)
        for (std::size_t v = 0; v < 2; ++v) hn::StoreU(sum[r][v], d, out + r * stride + v * lane_count<C>);
}

/// Heights of tile there is code for; what is not hot has few, to keep the program small.
template <typename Step, typename C> constexpr std::size_t rows_taken(std::size_t rows) {
    if constexpr (Step::hot && sizeof(C) == sizeof(float))
        return rows >= tile_rows ? tile_rows : rows >= 4 ? 4 : rows >= 2 ? 2 : 1;
    else
        return rows >= 4 ? 4 : 1;
}

/// A tile of rows_taken(rows) rows.
template <typename Step, typename C, typename RowsOfA, typename PanelOfB>
HWY_INLINE void run_rows(std::size_t rows, std::size_t depth, RowsOfA a, PanelOfB b, C *out, std::size_t stride,
                         bool resume) {
    const std::size_t taken = rows_taken<Step, C>(rows);
    if constexpr (Step::hot && sizeof(C) == sizeof(float)) {
        if (taken == tile_rows) return run_tile<Step, tile_rows, C>(depth, a, b, out, stride, resume);
        if (taken == 2) return run_tile<Step, 2, C>(depth, a, b, out, stride, resume);
    }
    if (taken == 4) return run_tile<Step, 4, C>(depth, a, b, out, stride, resume);
    run_tile<Step, 1, C>(depth, a, b, out, stride, resume);
}

} // namespace halfscope::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
