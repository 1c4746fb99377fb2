// The array forms, at every SIMD level.
#include "emulation/number/simd_targets.h"

#include "emulation/ops/transcendental.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulation/ops/transcendental/arrays.cpp"
#include <hwy/foreach_target.h>

#include "emulation/ops/transcendental/functions-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::lanes::HWY_NAMESPACE {

// Whole registers first; the last, partial one is read again in a padded copy.
#define HALFSCOPE_ARRAY_FORM(function)                                                                                 \
    HWY_NOINLINE void function##_whole(const float *x, float *y, std::size_t count) {                                  \
        for (std::size_t i = 0; i < count; i += width)                                                                 \
            hn::StoreU(function(Lanes(hn::LoadU(Tag(), x + i))).v, Tag(), y + i);                                      \
    }                                                                                                                  \
    void function##_array(const float *x, float *y, std::size_t count) {                                               \
        const std::size_t done = count / width * width, left = count - done;                                           \
        function##_whole(x, y, done);                                                                                  \
        if (left == 0) return;                                                                                         \
        HWY_ALIGN float padded[width];                                                                                 \
        for (std::size_t i = 0; i < width; ++i) padded[i] = i < left ? x[done + i] : 1.0f;                             \
        function##_whole(padded, padded, width);                                                                       \
        for (std::size_t i = 0; i < left; ++i) y[done + i] = padded[i];                                                \
    }
HALFSCOPE_ARRAY_FORM(exp)
HALFSCOPE_ARRAY_FORM(log)
HALFSCOPE_ARRAY_FORM(tanh)
HALFSCOPE_ARRAY_FORM(erf)
HALFSCOPE_ARRAY_FORM(sin)
HALFSCOPE_ARRAY_FORM(cos)
#undef HALFSCOPE_ARRAY_FORM

} // namespace halfscope::ops::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halfscope::ops {
namespace lanes {
HWY_EXPORT(exp_array);
HWY_EXPORT(log_array);
HWY_EXPORT(tanh_array);
HWY_EXPORT(erf_array);
HWY_EXPORT(sin_array);
HWY_EXPORT(cos_array);
} // namespace lanes

namespace transcendental {

#define HALFSCOPE_ARRAY_FORM(function)                                                                                 \
    void function(const float *x, float *y, std::size_t count) {                                                       \
        using namespace lanes;                                                                                         \
        HWY_DYNAMIC_DISPATCH(function##_array)(x, y, count);                                                           \
    }                                                                                                                  \
    void function(const double *x, double *y, std::size_t count) {                                                     \
        for (std::size_t i = 0; i < count; ++i) y[i] = std::function(x[i]);                                            \
    }
HALFSCOPE_ARRAY_FORM(exp)
HALFSCOPE_ARRAY_FORM(log)
HALFSCOPE_ARRAY_FORM(tanh)
HALFSCOPE_ARRAY_FORM(erf)
HALFSCOPE_ARRAY_FORM(sin)
HALFSCOPE_ARRAY_FORM(cos)
#undef HALFSCOPE_ARRAY_FORM

} // namespace transcendental
} // namespace halfscope::ops
#endif // HWY_ONCE
