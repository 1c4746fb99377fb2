#include "emulation/ops/matmul/tensor_core_product.h"

#include "emulation/ops/kernels.h"

#include <vector>

namespace halfscope::ops {

void tensor_core_product(Accumulation model, const TensorView &a, const TensorView &b, const TensorView *c,
                         const TensorView &d, ThreadPool &threads) {
    Matmul attributes;
    attributes.accumulation = model;
    attributes.onto_third = c != nullptr;
    std::vector<TensorView> inputs{a, b};
    if (c) inputs.push_back(*c);
    const std::vector<TensorView> outputs{d};
    const Operation operation{OpKind::matmul, attributes, {}};
    run_matmul({operation, inputs, outputs, {}, {}, threads});
}

} // namespace halfscope::ops
