// The definitions over Lanes, for one target.
#include "emulation/ops/transcendental/lanes-inl.h"
#include "emulation/ops/transcendental/large_angle.h"

#if defined(HALFSCOPE_FUNCTIONS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_FUNCTIONS_INL_H
#undef HALFSCOPE_FUNCTIONS_INL_H
#else
#define HALFSCOPE_FUNCTIONS_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::lanes::HWY_NAMESPACE {

using transcendental::large_angle;

/// Large angles are rare: one element at a time.
HWY_INLINE void reduce_large_angles(Lanes x, Lanes &r, Words &quadrant) {
    HWY_ALIGN float each[width], rests[width];
    HWY_ALIGN std::int32_t quadrants[width];
    hn::Store(x.v, Tag(), each);
    hn::Store(r.v, Tag(), rests);
    hn::Store(quadrant.v, WordTag(), quadrants);
    for (std::size_t i = 0; i < width; ++i) {
        if (each[i] < large_angle && each[i] > -large_angle) continue;
        steps::Word one(0);
        transcendental::reduce_large_angle(each[i], rests[i], one);
        quadrants[i] = static_cast<std::int32_t>(one.bits);
    }
    r = Lanes(hn::Load(Tag(), rests));
    quadrant = Words(hn::Load(WordTag(), quadrants));
}

#define HALFSCOPE_INLINE HWY_INLINE
#include "emulation/ops/transcendental/definition.inl"
#undef HALFSCOPE_INLINE

} // namespace halfscope::ops::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif // HALFSCOPE_FUNCTIONS_INL_H
