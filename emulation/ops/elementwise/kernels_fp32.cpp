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

#define HALFSCOPE_INLINE HWY_INLINE
#include "emulation/ops/elementwise/definition.inl"
#undef HALFSCOPE_INLINE

/// Runs `whole`, a loop over whole registers, on the operands, and on padded copies of the elements that are left
/// (padded with 1, which no definition finds special), so that a definition is expanded once.
template <std::size_t arity, class Loop>
HWY_INLINE void run_padded(Loop whole, const float *const *operands, float *out, std::size_t count, float alpha,
                           float beta) {
    const std::size_t done = count / width * width, left = count - done;
    HWY_ALIGN float padded[arity][width], padded_out[width];
    const float *rest[arity];
    for (std::size_t k = 0; k < arity; ++k) {
        for (std::size_t i = 0; i < width; ++i) padded[k][i] = i < left ? operands[k][done + i] : 1.0f;
        rest[k] = padded[k];
    }
    whole(operands, out, done, alpha, beta);
    if (left == 0) return;
    whole(rest, padded_out, width, alpha, beta);
    for (std::size_t i = 0; i < left; ++i) out[done + i] = padded_out[i];
}

template <class F> struct Unary {
    static HWY_NOINLINE void whole(const float *const *operands, float *out, std::size_t count, float alpha,
                                   float beta) {
        const float *x = operands[0];
        const Lanes a(alpha), b(beta);
        for (std::size_t i = 0; i < count; i += width)
            hn::StoreU(F{}(Lanes(hn::LoadU(Tag(), x + i)), a, b).v, Tag(), out + i);
    }
    static void run(const float *const *operands, float *out, std::size_t count, float alpha, float beta) {
        run_padded<1>(whole, operands, out, count, alpha, beta);
    }
};
template <class F> struct Binary {
    static HWY_NOINLINE void whole(const float *const *operands, float *out, std::size_t count, float alpha,
                                   float beta) {
        const float *x = operands[0], *y = operands[1];
        const Lanes a(alpha), b(beta);
        for (std::size_t i = 0; i < count; i += width)
            hn::StoreU(F{}(Lanes(hn::LoadU(Tag(), x + i)), Lanes(hn::LoadU(Tag(), y + i)), a, b).v, Tag(), out + i);
    }
    static void run(const float *const *operands, float *out, std::size_t count, float alpha, float beta) {
        run_padded<2>(whole, operands, out, count, alpha, beta);
    }
};
template <class F> struct Ternary {
    static HWY_NOINLINE void whole(const float *const *operands, float *out, std::size_t count, float alpha,
                                   float beta) {
        const float *x = operands[0], *y = operands[1], *z = operands[2];
        const Lanes a(alpha), b(beta);
        for (std::size_t i = 0; i < count; i += width)
            hn::StoreU(F{}(Lanes(hn::LoadU(Tag(), x + i)), Lanes(hn::LoadU(Tag(), y + i)),
                           Lanes(hn::LoadU(Tag(), z + i)), a, b)
                           .v,
                       Tag(), out + i);
    }
    static void run(const float *const *operands, float *out, std::size_t count, float alpha, float beta) {
        run_padded<3>(whole, operands, out, count, alpha, beta);
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
