// The elementwise definitions over SIMD registers, at every level.
#include "emulation/number/simd_targets.h"

#include "emulation/ops/elementwise/constants.h"
#include "emulation/ops/elementwise/kernel_table.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulation/ops/elementwise/kernels_fp32.cpp"
#include <hwy/foreach_target.h>

#include "emulation/ops/transcendental/functions-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::lanes::HWY_NAMESPACE {
namespace elementwise {

using namespace halfscope::ops::elementwise;
using Kernel = ArrayKernel<float>;

template <class R> HWY_INLINE R constant(double value) { return R(static_cast<float>(value)); }

#include "emulation/ops/elementwise/definition.inl"

template <class F> struct Unary {
    static void run(const float *const *operands, float *out, std::size_t count, float alpha, float beta) {
        const float *x = operands[0];
        const Lanes a(alpha), b(beta);
        for (std::size_t i = 0; i < count; i += width)
            store_some(F{}(load_some(x + i, count - i), a, b), out + i, count - i);
    }
};
template <class F> struct Binary {
    static void run(const float *const *operands, float *out, std::size_t count, float alpha, float beta) {
        const float *x = operands[0], *y = operands[1];
        const Lanes a(alpha), b(beta);
        for (std::size_t i = 0; i < count; i += width)
            store_some(F{}(load_some(x + i, count - i), load_some(y + i, count - i), a, b), out + i, count - i);
    }
};
template <class F> struct Ternary {
    static void run(const float *const *operands, float *out, std::size_t count, float alpha, float beta) {
        const float *x = operands[0], *y = operands[1], *z = operands[2];
        const Lanes a(alpha), b(beta);
        for (std::size_t i = 0; i < count; i += width)
            store_some(F{}(load_some(x + i, count - i), load_some(y + i, count - i), load_some(z + i, count - i), a, b),
                       out + i, count - i);
    }
};

#define HALFSCOPE_KERNEL_MEMBER static
#include "emulation/ops/elementwise/kernel_choice.inl"
#undef HALFSCOPE_KERNEL_MEMBER

} // namespace elementwise

elementwise::Kernel elementwise_kernel(OpKind kind, double alpha) { return elementwise::choose_kernel(kind, alpha); }

} // namespace halfscope::ops::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halfscope::ops {
namespace lanes {
HWY_EXPORT(elementwise_kernel);
} // namespace lanes

elementwise::ArrayKernel<float> elementwise::simd_kernel(OpKind kind, double alpha) {
    using namespace lanes;
    return HWY_DYNAMIC_DISPATCH(elementwise_kernel)(kind, alpha);
}

} // namespace halfscope::ops
#endif // HWY_ONCE
