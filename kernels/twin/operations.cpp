#include "kernels/twin/operations.h"

#include "emulation/ops/backend.h"
#include "emulation/ops/matmul/tensor_core_product.h"
#include "emulation/ops/thread_pool.h"

namespace halfscope::kernels {
namespace {

void run(const ops::Operation &operation, const KernelCall &call) {
    const ops::TensorView outputs[] = {call.output};
    ops::make_cpu_backend()->run(operation, call.inputs, outputs);
}

} // namespace

void emulate_sum_rows(const KernelCall &call) { run({ops::OpKind::reduce_sum, ops::Reduction{{1}, false}, {}}, call); }

void emulate_softmax_rows(const KernelCall &call) { run({ops::OpKind::softmax, ops::Axis{1}, {}}, call); }

void emulate_layer_norm_rows(const KernelCall &call) {
    ops::Normalization attributes;
    attributes.epsilon = call.epsilon;
    attributes.axis = 1;
    run({ops::OpKind::layer_norm, attributes, {}}, call);
}

void emulate_product(ops::Accumulation model, const KernelCall &call) {
    ops::ThreadPool threads(0);
    ops::tensor_core_product(model, call.inputs[0], call.inputs[1], &call.inputs[2], call.output, threads);
}

} // namespace halfscope::kernels
