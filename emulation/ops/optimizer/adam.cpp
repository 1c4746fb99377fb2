#include "emulation/ops/formulas/formulas.h"
#include "emulation/ops/optimizer/optimizer.h"
#include "emulation/ops/optimizer/update.h"

#include <cmath>

namespace halfscope::ops::optimizer {

template <typename C> void adam_step(const KernelCall &call) {
    const auto &given = call.operation.get<OptimizerStep>();
    const std::size_t extra = given.kahan ? 1 : 0;
    require_update_operands(call, 4 + extra, 3 + extra,
                            "weight, gradient, m, v[, compensation] and gives all but the gradient");
    const DType weight_type = call.inputs[0].dtype, variance_type = call.inputs[3].dtype;
    const DType decayed_type = promoted(call.inputs[1].dtype, weight_type);
    const OptimizerStep step = hyperparameters(given, call.inputs[2].dtype);

    const auto steps = static_cast<double>(step.step);
    const bool decays = step.weight_decay != 0;
    const C shrink = static_cast<C>(1 - step.learning_rate * step.weight_decay);
    const C decay = static_cast<C>(step.weight_decay), epsilon = static_cast<C>(step.epsilon);
    const C new_mean = static_cast<C>(1 - step.beta1), new_variance = static_cast<C>(1 - step.beta2);
    const C keep_variance = static_cast<C>(step.beta2);
    const C step_size = static_cast<C>(step.learning_rate / (1 - std::pow(step.beta1, steps)));
    const C bias = static_cast<C>(std::sqrt(1 - std::pow(step.beta2, steps)));
    for_each_block<C>(call, [&](const UpdateBlock<C> &block) {
        alignas(64) C w[produce_block], g[produce_block], m[produce_block], v[produce_block];
        const std::int64_t n = block.count();
        const auto count = static_cast<std::size_t>(n);
        block.read(0, w);
        block.read(1, g);
        block.read(2, m);
        block.read(3, v);
        if (decays && step.decoupled_weight_decay) {
            for (std::int64_t i = 0; i < n; ++i) w[i] = w[i] * shrink;
            block.intermediate(w, weight_type);
        } else if (decays) {
            formulas::multiply_add(decay, w, g, g, count);
            block.intermediate(g, decayed_type);
        }
        formulas::move_towards(new_mean, g, m, m, count);
        block.leave(1, m);
        for (std::int64_t i = 0; i < n; ++i) v[i] = keep_variance * v[i];
        block.intermediate(v, variance_type);
        formulas::add_square(new_variance, g, v, v, count);
        block.leave(2, v);

        C *q = v;
        if (block.intermediates_rounded()) {
            formulas::square_root(v, q, count);
            block.intermediate(q, variance_type);
            for (std::int64_t i = 0; i < n; ++i) q[i] = q[i] / bias;
            block.intermediate(q, variance_type);
            for (std::int64_t i = 0; i < n; ++i) q[i] = q[i] + epsilon;
            block.intermediate(q, variance_type);
            for (std::int64_t i = 0; i < n; ++i) q[i] = m[i] / q[i];
        } else {
            formulas::adam_quotient(m, v, bias, epsilon, q, count);
        }
        if (step.kahan) {
            C *u = q;
            for (std::int64_t i = 0; i < n; ++i) u[i] = -step_size * q[i];
            compensated_update(block, w, u, m, 4);
        } else {
            formulas::multiply_add(-step_size, q, w, w, count);
            block.leave(0, w);
        }
    });
}

template void adam_step<float>(const KernelCall &);
template void adam_step<double>(const KernelCall &);

} // namespace halfscope::ops::optimizer
