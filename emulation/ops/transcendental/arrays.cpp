// The array forms, at every SIMD level.
#include "emulation/number/simd_targets.h"

#include "emulation/ops/transcendental.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulation/ops/transcendental/arrays.cpp"
#include <hwy/foreach_target.h>

#include "emulation/ops/transcendental/functions-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::lanes::HWY_NAMESPACE {

#define HALFSCOPE_ARRAY_FORM(function)                                                                                 \
    void function##_array(const float *x, float *y, std::size_t count) {                                               \
        for (std::size_t i = 0; i < count; i += width)                                                                 \
            store_some(function(load_some(x + i, count - i)), y + i, count - i);                                       \
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
