#include "emulation/ops/formulas/formulas.h"
#include "emulation/ops/optimizer/optimizer.h"
#include "emulation/ops/optimizer/update.h"

namespace halfscope::ops::optimizer {

template <typename C> void sgd_step(const KernelCall &call) {
    const auto &given = call.operation.get<OptimizerStep>();
    const bool has_momentum = given.momentum != 0;
    const std::size_t extra = (has_momentum ? 1 : 0) + (given.kahan ? 1 : 0);
    require_update_operands(call, 2 + extra, 1 + extra,
                            "weight, gradient[, momentum buffer][, compensation] and gives all but the gradient");
    const DType weight_type = call.inputs[0].dtype;
    const DType buffer_type = has_momentum ? call.inputs[2].dtype : weight_type;
    const std::size_t compensation = has_momentum ? 3 : 2; // as an input; as an output one less
    const OptimizerStep step = hyperparameters(given, buffer_type);
    const DType decayed_type =
        step.weight_decay != 0 ? promoted(call.inputs[1].dtype, weight_type) : call.inputs[1].dtype;

    const C learning_rate = static_cast<C>(step.learning_rate), decay = static_cast<C>(step.weight_decay);
    const C momentum = static_cast<C>(step.momentum), damping = static_cast<C>(1 - step.dampening);
    for_each_block<C>(call, [&](const UpdateBlock<C> &block) {
        alignas(64) C w[produce_block], g[produce_block], b[produce_block];
        const std::int64_t n = block.count();
        const auto count = static_cast<std::size_t>(n);
        block.read(0, w);
        block.read(1, g);
        if (step.weight_decay != 0) {
            formulas::multiply_add(decay, w, g, g, count);
            block.intermediate(g, decayed_type);
        }
        if (has_momentum) {
            if (step.step == 1) {
                std::copy(g, g + n, b);
            } else {
                block.read(2, b);
                if (block.intermediates_rounded()) {
                    for (std::int64_t i = 0; i < n; ++i) b[i] = momentum * b[i];
                    block.intermediate(b, buffer_type);
                    formulas::multiply_add(damping, g, b, b, count);
                } else {
                    formulas::weighted_sum(momentum, b, damping, g, b, count);
                }
            }
            block.leave(1, b);
            if (step.nesterov) {
                formulas::multiply_add(momentum, b, g, g, count);
                block.intermediate(g, promoted(decayed_type, buffer_type));
            } else {
                std::copy(b, b + n, g);
            }
        }
        if (step.kahan) {
            C *u = g;
            for (std::int64_t i = 0; i < n; ++i) u[i] = -learning_rate * g[i];
            compensated_update(block, w, u, b, compensation);
        } else {
            formulas::multiply_add(-learning_rate, g, w, w, count);
            block.leave(0, w);
        }
    });
}

template void sgd_step<float>(const KernelCall &);
template void sgd_step<double>(const KernelCall &);

} // namespace halfscope::ops::optimizer
