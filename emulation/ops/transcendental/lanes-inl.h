// A SIMD register of floats that reads like a float: operators, and the steps of scalar_steps.h under the same names.
// Included once per target, from a source file that uses foreach_target.h.
#include <hwy/highway.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

#if defined(HALFSCOPE_LANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_LANES_INL_H
#undef HALFSCOPE_LANES_INL_H
#else
#define HALFSCOPE_LANES_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::lanes::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using WordTag = hn::RebindToSigned<Tag>;
inline constexpr std::size_t width = hn::MaxLanes(Tag());

struct Condition {
    hn::Mask<Tag> mask;
};

struct Lanes {
    hn::Vec<Tag> v;

    HWY_INLINE Lanes(hn::Vec<Tag> value) : v(value) {}
    HWY_INLINE explicit Lanes(float value) : v(hn::Set(Tag(), value)) {}
};

HWY_INLINE Lanes operator+(Lanes a, Lanes b) { return hn::Add(a.v, b.v); }
HWY_INLINE Lanes operator-(Lanes a, Lanes b) { return hn::Sub(a.v, b.v); }
HWY_INLINE Lanes operator*(Lanes a, Lanes b) { return hn::Mul(a.v, b.v); }
HWY_INLINE Lanes operator/(Lanes a, Lanes b) { return hn::Div(a.v, b.v); }
HWY_INLINE Lanes operator-(Lanes a) { return hn::Neg(a.v); }
HWY_INLINE Condition operator<(Lanes a, Lanes b) { return {hn::Lt(a.v, b.v)}; }
HWY_INLINE Condition operator<=(Lanes a, Lanes b) { return {hn::Le(a.v, b.v)}; }
HWY_INLINE Condition operator>(Lanes a, Lanes b) { return {hn::Gt(a.v, b.v)}; }
HWY_INLINE Condition operator>=(Lanes a, Lanes b) { return {hn::Ge(a.v, b.v)}; }
HWY_INLINE Condition operator==(Lanes a, Lanes b) { return {hn::Eq(a.v, b.v)}; }

HWY_INLINE Lanes select(Condition condition, Lanes yes, Lanes no) {
    return hn::IfThenElse(condition.mask, yes.v, no.v);
}
HWY_INLINE bool all(Condition condition) { return hn::AllTrue(Tag(), condition.mask); }
// Not Ne(x, x), which some levels of Highway 1.0 compute as an ordered comparison.
HWY_INLINE Condition is_nan(Lanes x) { return {hn::IsNaN(x.v)}; }

#if HWY_NATIVE_FMA
HWY_INLINE Lanes fused(Lanes a, Lanes b, Lanes c) { return hn::MulAdd(a.v, b.v, c.v); }
#else
/// No instruction for it at this level: one element at a time, correctly rounded by the C library. Not inlined, because
/// definitions have dozens of these.
HWY_MAYBE_UNUSED static HWY_NOINLINE Lanes fused(Lanes a, Lanes b, Lanes c) {
    HWY_ALIGN float x[width], y[width], z[width];
    hn::Store(a.v, Tag(), x);
    hn::Store(b.v, Tag(), y);
    hn::Store(c.v, Tag(), z);
    for (std::size_t i = 0; i < width; ++i) z[i] = __builtin_fmaf(x[i], y[i], z[i]);
    return hn::Load(Tag(), z);
}
#endif
HWY_INLINE Lanes square_root(Lanes x) { return hn::Sqrt(x.v); }
HWY_INLINE Lanes absolute(Lanes x) { return hn::Abs(x.v); }
HWY_INLINE Lanes copy_sign(Lanes magnitude, Lanes sign) { return hn::CopySign(magnitude.v, sign.v); }
HWY_INLINE Lanes round_down(Lanes x) { return hn::Floor(x.v); }
HWY_INLINE Lanes round_up(Lanes x) { return hn::Ceil(x.v); }
HWY_INLINE Lanes round_nearest(Lanes x) { return hn::Round(x.v); }

struct Words {
    hn::Vec<WordTag> v;

    HWY_INLINE Words(hn::Vec<WordTag> value) : v(value) {}
    HWY_INLINE explicit Words(std::int32_t value) : v(hn::Set(WordTag(), value)) {}
};

HWY_INLINE Words operator+(Words a, Words b) { return hn::Add(a.v, b.v); }
HWY_INLINE Words operator-(Words a, Words b) { return hn::Sub(a.v, b.v); }
HWY_INLINE Words operator&(Words a, Words b) { return hn::And(a.v, b.v); }
HWY_INLINE Words operator^(Words a, Words b) { return hn::Xor(a.v, b.v); }
HWY_INLINE Condition operator==(Words a, Words b) { return {hn::RebindMask(Tag(), hn::Eq(a.v, b.v))}; }
template <int count> HWY_INLINE Words shift_left(Words w) { return hn::ShiftLeft<count>(w.v); }
template <int count> HWY_INLINE Words shift_right(Words w) { return hn::ShiftRight<count>(w.v); }
HWY_INLINE Words bits_of(Lanes x) { return hn::BitCast(WordTag(), x.v); }
HWY_INLINE Lanes from_bits(Words w) { return hn::BitCast(Tag(), w.v); }
HWY_INLINE Lanes to_real(Words w) { return hn::ConvertTo(Tag(), w.v); }

} // namespace halfscope::ops::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif // HALFSCOPE_LANES_INL_H
