// Ends of arrays: registers of which only the first elements exist. Included once per target.
#include "emulation/ops/transcendental/lanes-inl.h"

#if defined(HALFSCOPE_PARTIAL_REGISTERS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_PARTIAL_REGISTERS_INL_H
#undef HALFSCOPE_PARTIAL_REGISTERS_INL_H
#else
#define HALFSCOPE_PARTIAL_REGISTERS_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::lanes::HWY_NAMESPACE {

/// The first `count` of a register's floats; the others are 1, which no definition finds special.
HWY_INLINE Lanes load_first(const float *from, std::size_t count) {
    if (count >= width) return hn::LoadU(Tag(), from);
    HWY_ALIGN float padded[width];
    for (std::size_t i = 0; i < width; ++i) padded[i] = i < count ? from[i] : 1.0f;
    return hn::Load(Tag(), padded);
}
HWY_INLINE void store_first(Lanes x, float *to, std::size_t count) {
    if (count >= width) return hn::StoreU(x.v, Tag(), to);
    HWY_ALIGN float padded[width];
    hn::Store(x.v, Tag(), padded);
    for (std::size_t i = 0; i < count; ++i) to[i] = padded[i];
}

} // namespace halfscope::ops::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif // HALFSCOPE_PARTIAL_REGISTERS_INL_H
