#include "emulation/ops/kernels.h"
#include "emulation/ops/optimizer/optimizer.h"

#include <atomic>
#include <cmath>

namespace halfscope::ops {
namespace optimizer {

template <typename C> void unscale_check(const KernelCall &call) {
    if (call.inputs.size() < 2 || call.outputs.size() != call.inputs.size())
        call.reject("takes (gradient..., inverse scale) and gives (unscaled gradient..., found)");
    const std::size_t gradients = call.inputs.size() - 1;
    const TensorView &scale = call.inputs[gradients], &flag = call.outputs[gradients];
    for (std::size_t i = 0; i < gradients; ++i)
        if (!(call.outputs[i].shape == call.inputs[i].shape)) call.reject("the gradients differ in shape");
    if (scale.shape.elements() != 1 || flag.shape.elements() != 1 || flag.dtype != DType::fp32)
        call.reject("the inverse scale and the fp32 flag must be scalars");
    C scratch;
    const C inverse_scale = *load<C>(scale, 0, 1, &scratch);
    std::atomic<bool> found = false;
    for (std::size_t i = 0; i < gradients; ++i)
        produce<C>(call, i, [&](std::int64_t first, std::int64_t count, C *out) {
            const C *g = load<C>(call.inputs[i], first, count, out);
            bool non_finite = false;
            for (std::int64_t j = 0; j < count; ++j) {
                non_finite |= !std::isfinite(g[j]);
                out[j] = g[j] * inverse_scale;
            }
            if (non_finite) found = true;
        });
    *flag.as<float>() = found ? 1.0f : 0.0f;
    measure(call, gradients);
}

template void unscale_check<float>(const KernelCall &);
template void unscale_check<double>(const KernelCall &);

} // namespace optimizer

namespace {

template <typename C> void run(const KernelCall &call) {
    switch (call.operation.kind) {
    case OpKind::unscale_check: return optimizer::unscale_check<C>(call);
    case OpKind::sgd_step: return optimizer::sgd_step<C>(call);
    case OpKind::adam_step: return optimizer::adam_step<C>(call);
    default: call.reject("is not an optimizer operation");
    }
}

} // namespace

void run_optimizer(const KernelCall &call) { call.in_fp64() ? run<double>(call) : run<float>(call); }

} // namespace halfscope::ops
