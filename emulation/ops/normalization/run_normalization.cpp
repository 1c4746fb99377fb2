#include "emulation/ops/kernels.h"
#include "emulation/ops/normalization/normalization.h"

namespace halfscope::ops {
namespace {

template <typename C> void run(const KernelCall &call) {
    switch (call.operation.kind) {
    case OpKind::batch_norm_training: return normalization::batch_norm_training<C>(call);
    case OpKind::batch_norm_inference: return normalization::batch_norm_inference<C>(call);
    case OpKind::batch_norm_gradient: return normalization::batch_norm_gradient<C>(call);
    case OpKind::batch_norm_inference_gradient: return normalization::batch_norm_inference_gradient<C>(call);
    case OpKind::layer_norm:
    case OpKind::rms_norm:
    case OpKind::group_norm: return normalization::row_norm<C>(call);
    case OpKind::layer_norm_gradient:
    case OpKind::rms_norm_gradient:
    case OpKind::group_norm_gradient: return normalization::row_norm_gradient<C>(call);
    default: call.reject("is not a normalisation");
    }
}

} // namespace

void run_normalization(const KernelCall &call) { call.in_fp64() ? run<double>(call) : run<float>(call); }

} // namespace halfscope::ops
