#include "emulation/ops/kernels.h"
#include "emulation/ops/loss/loss.h"

namespace halfscope::ops {
namespace {

template <typename C> void run(const KernelCall &call) {
    const auto inputs = [&](std::size_t count) {
        if (call.inputs.size() != count || call.outputs.size() != 1)
            call.reject("takes " + std::to_string(count) + " inputs and gives one output");
    };
    switch (call.operation.kind) {
    case OpKind::nll_loss: inputs(2); return loss::nll_loss<C>(call);
    case OpKind::nll_loss_gradient: inputs(2); return loss::nll_loss_gradient<C>(call);
    case OpKind::mse_loss: inputs(2); return loss::mse_loss<C>(call);
    case OpKind::mse_loss_gradient: inputs(3); return loss::mse_loss_gradient<C>(call);
    case OpKind::bce_with_logits: inputs(2); return loss::bce_with_logits<C>(call);
    case OpKind::bce_with_logits_gradient: inputs(3); return loss::bce_with_logits_gradient<C>(call);
    default: call.reject("is not a loss");
    }
}

} // namespace

void run_loss(const KernelCall &call) { call.in_fp64() ? run<double>(call) : run<float>(call); }

} // namespace halfscope::ops
