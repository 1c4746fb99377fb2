#include "emulation/ops/kernels.h"
#include "emulation/ops/pooling/pooling.h"

namespace halfscope::ops {
namespace {

template <typename C> void run(const KernelCall &call) {
    const auto operands = [&](std::size_t inputs, std::size_t outputs) {
        if (call.inputs.size() != inputs || call.outputs.size() != outputs)
            call.reject("takes " + std::to_string(inputs) + " inputs and " + std::to_string(outputs) + " outputs");
    };
    switch (call.operation.kind) {
    case OpKind::max_pool: operands(1, 2); return pooling::max_pool<C>(call);
    case OpKind::max_pool_gradient: operands(2, 1); return pooling::max_pool_gradient<C>(call);
    case OpKind::average_pool: operands(1, 1); return pooling::average_pool<C>(call);
    case OpKind::average_pool_gradient: operands(1, 1); return pooling::average_pool_gradient<C>(call);
    case OpKind::resize_nearest: operands(1, 1); return pooling::resize_nearest<C>(call);
    case OpKind::resize_nearest_gradient: operands(1, 1); return pooling::resize_nearest_gradient<C>(call);
    default: call.reject("is not a pooling operation");
    }
}

} // namespace

void run_pooling(const KernelCall &call) { call.in_fp64() ? run<double>(call) : run<float>(call); }

} // namespace halfscope::ops
