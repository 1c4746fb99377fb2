#include "emulation/ops/kernels.h"
#include "emulation/ops/reduction/reductions.h"

namespace halfscope::ops {

void run_reduction(const KernelCall &call) {
    if (call.inputs.size() != 1 || call.outputs.size() != 1) call.reject("takes one operand and gives one result");
    switch (call.operation.kind) {
    case OpKind::argmax: return reduction::argmax(call);
    case OpKind::top_k: return reduction::top_k(call);
    case OpKind::cumulative_sum: return reduction::cumulative_sum(call);
    default: break;
    }
    if (!is_floating(call.outputs[0].dtype))
        reduction::reduce_integers(call);
    else if (call.in_fp64())
        reduction::reduce_floating<double>(call);
    else
        reduction::reduce_floating<float>(call);
}

} // namespace halfscope::ops
