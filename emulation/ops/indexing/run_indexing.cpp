#include "emulation/ops/indexing/indexing.h"
#include "emulation/ops/kernels.h"

namespace halfscope::ops {

void run_indexing(const KernelCall &call) {
    const std::size_t inputs = call.operation.kind == OpKind::one_hot ? 1 : 2;
    if (call.inputs.size() != inputs || call.outputs.size() != 1)
        call.reject("takes " + std::to_string(inputs) + (inputs == 1 ? " input" : " inputs") + " and one output");
    switch (call.operation.kind) {
    case OpKind::gather: return indexing::gather(call);
    case OpKind::gather_gradient:
        return call.in_fp64() ? indexing::gather_gradient<double>(call) : indexing::gather_gradient<float>(call);
    case OpKind::gather_elements: return indexing::gather_elements(call);
    case OpKind::gather_elements_gradient:
        return call.in_fp64() ? indexing::gather_elements_gradient<double>(call)
                              : indexing::gather_elements_gradient<float>(call);
    case OpKind::one_hot: return indexing::one_hot(call);
    default: call.reject("is not an indexing operation");
    }
}

} // namespace halfscope::ops
