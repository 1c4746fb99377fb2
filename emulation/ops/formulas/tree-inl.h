// The fixed reduction of operation.h over SIMD registers: register r holds lanes r * width .. (r + 1) * width - 1.
// Included once per target.
#include "emulation/ops/formulas/partial_registers-inl.h"

#if defined(HALFSCOPE_TREE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_TREE_INL_H
#undef HALFSCOPE_TREE_INL_H
#else
#define HALFSCOPE_TREE_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::lanes::HWY_NAMESPACE {

inline constexpr std::size_t tree_width = 32, tree_registers = tree_width / width;
static_assert(tree_width % width == 0);

/// combine() is reduction::Sum's and reduction::Maximum's, over registers and over single values.
struct SumStep {
    template <class R> HWY_INLINE static R combine(R a, R b) { return a + b; }
};
struct MaximumStep {
    HWY_INLINE static Lanes combine(Lanes a, Lanes b) { return select(a >= b, a, select(is_nan(a), a, b)); }
    HWY_INLINE static float combine(float a, float b) { return a >= b || a != a ? a : b; }
};

/// The tree over one chunk of `count` <= 4096 elements. term.all(i) gives the elements i .. i + width - 1 and
/// term.some(i, n) the first n of them; each element is asked for once, in order. `start` is what every lane holds
/// before its elements arrive.
template <class Step, class Term> HWY_INLINE float tree_of_chunk(std::size_t count, float start, const Term &term) {
    hn::Vec<Tag> lanes[tree_registers];
    for (auto &lane : lanes) lane = hn::Set(Tag(), start);
    std::size_t i = 0;
    for (; i + tree_width <= count; i += tree_width)
        for (std::size_t r = 0; r < tree_registers; ++r)
            lanes[r] = Step::combine(Lanes(lanes[r]), term.all(i + r * width)).v;
    for (std::size_t r = 0; i < count; ++r, i += width) {
        const std::size_t rest = count - i;
        const Lanes combined = Step::combine(Lanes(lanes[r]), rest >= width ? term.all(i) : term.some(i, rest));
        lanes[r] = rest >= width ? combined.v : hn::IfThenElse(hn::FirstN(Tag(), rest), combined.v, lanes[r]);
    }
    for (std::size_t half = tree_registers / 2; half > 0; half /= 2)
        for (std::size_t r = 0; r < half; ++r) lanes[r] = Step::combine(Lanes(lanes[r]), Lanes(lanes[r + half])).v;
    HWY_ALIGN float last[width];
    hn::Store(lanes[0], Tag(), last);
    for (std::size_t half = width / 2; half > 0; half /= 2)
        for (std::size_t l = 0; l < half; ++l) last[l] = Step::combine(last[l], last[l + half]);
    return last[0];
}

} // namespace halfscope::ops::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif // HALFSCOPE_TREE_INL_H
