#include "emulation/ops/elementwise/scalar_kernels.h"

namespace halfscope::ops::elementwise {
namespace {

/// fmod is exact in either type; alpha 0 then moves the result to the divisor's sign.
template <typename C> void modulo(const C *const *operands, C *out, std::size_t count, C alpha, C) {
    for (std::size_t i = 0; i < count; ++i) {
        const C divisor = operands[1][i];
        C rest = std::fmod(operands[0][i], divisor);
        if (alpha == C(0) && rest != C(0) && std::signbit(rest) != std::signbit(divisor)) rest += divisor;
        out[i] = rest;
    }
}

} // namespace

template <> ArrayKernel<float> array_kernel<float>(OpKind kind, double alpha) {
    return kind == OpKind::modulo ? modulo<float> : simd_kernel(kind, alpha);
}

template <> ArrayKernel<double> array_kernel<double>(OpKind kind, double alpha) {
    return kind == OpKind::modulo ? modulo<double> : scalar::Kernels<double>::choose_kernel(kind, alpha);
}

int operand_count(OpKind kind) {
    if (kind <= OpKind::shift) return 1;
    if (kind < OpKind::where) return 2;
    if (kind == OpKind::where) return 3;
    if (kind <= OpKind::square_root_gradient) return 2;
    return 0;
}

} // namespace halfscope::ops::elementwise
