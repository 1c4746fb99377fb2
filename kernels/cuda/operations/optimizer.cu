// Optimizer operations, one thread an element; arithmetic and intermediate roundings of emulation/ops/optimizer_step.h.
#include "emulation/ops/optimizer/update.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/cuda/transcendental.cuh"

#include <cmath>
#include <deque>

namespace halfscope::kernels::device::operations {
namespace {

using ops::DType;

namespace formulas {
using namespace device::functions;
using Constant = float;
#define HALFSCOPE_FORMULA __device__
#include "emulation/ops/formulas/definition.inl"
#undef HALFSCOPE_FORMULA
} // namespace formulas

__global__ void unscale_kernel(Operand g, Operand inverse_scale, float *out, unsigned *found, std::int64_t count) {
    const float factor = inverse_scale.at(0);
    for (std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; i < count;
         i += std::int64_t{gridDim.x} * blockDim.x) {
        const float value = g.at(i);
        if (isnan(value) || isinf(value)) atomicOr(found, 1u);
        out[i] = __fmul_rn(value, factor);
    }
}

__global__ void flag_kernel(const unsigned *found, float *flag) { *flag = *found != 0 ? 1.0f : 0.0f; }

/// Operands and results of one update, and the factors of its formulas in C.
struct Update {
    Operand weight, gradient, first, second, compensation; ///< first: momentum buffer or m; second: v
    float *new_weight, *new_first, *new_second, *new_compensation;
    DType stored_weight, stored_first, stored_second, stored_compensation; ///< of the results
    DType decayed;                                                         ///< of gradient + decay * weight
    DType nesterov_type;                                                   ///< of that with the buffer
    bool rounds; ///< intermediates, as eager kernels leave them
    bool decays, decoupled, has_momentum, first_step, nesterov, kahan;
    float decay, shrink, momentum, damping, new_mean, new_variance, keep_variance, bias, epsilon;
    float rate; ///< learning rate, or Adam's step size

    [[nodiscard]] __device__ float intermediate(float value, DType type) const {
        return rounds ? as_stored(value, type) : value;
    }
    /// The last step: w - rate * q, compensated or not.
    __device__ void step(std::int64_t i, float w, float q) const {
        if (!kahan) {
            new_weight[i] = formulas::MultiplyAdd{-rate}(q, w);
            return;
        }
        const float u = __fsub_rn(__fmul_rn(-rate, q), compensation.at(i));
        const float t = __fadd_rn(w, u);
        new_weight[i] = t;
        new_compensation[i] = __fsub_rn(__fsub_rn(as_stored(t, stored_weight), w), u);
    }
};

__global__ void sgd_kernel(Update update, std::int64_t count) {
    for (std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; i < count;
         i += std::int64_t{gridDim.x} * blockDim.x) {
        const float w = update.weight.at(i);
        float g = update.gradient.at(i);
        if (update.decays) g = update.intermediate(formulas::MultiplyAdd{update.decay}(w, g), update.decayed);
        if (update.has_momentum) {
            float b = g;
            if (!update.first_step) {
                b = update.first.at(i);
                if (update.rounds) {
                    b = update.intermediate(__fmul_rn(update.momentum, b), update.first.dtype);
                    b = formulas::MultiplyAdd{update.damping}(g, b);
                } else
                    b = formulas::WeightedSum{update.momentum, update.damping}(b, g);
            }
            update.new_first[i] = b;
            b = as_stored(b, update.stored_first);
            g = update.nesterov
                    ? update.intermediate(formulas::MultiplyAdd{update.momentum}(b, g), update.nesterov_type)
                    : b;
        }
        update.step(i, w, g);
    }
}

__global__ void adam_kernel(Update update, std::int64_t count) {
    for (std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; i < count;
         i += std::int64_t{gridDim.x} * blockDim.x) {
        const DType variance = update.second.dtype;
        float w = update.weight.at(i), g = update.gradient.at(i), m = update.first.at(i), v = update.second.at(i);
        if (update.decays && update.decoupled)
            w = update.intermediate(__fmul_rn(w, update.shrink), update.weight.dtype);
        else if (update.decays)
            g = update.intermediate(formulas::MultiplyAdd{update.decay}(w, g), update.decayed);
        m = formulas::MoveTowards{update.new_mean}(g, m);
        update.new_first[i] = m;
        m = as_stored(m, update.stored_first);
        v = update.intermediate(__fmul_rn(update.keep_variance, v), variance);
        v = formulas::AddSquare{update.new_variance}(g, v);
        update.new_second[i] = v;
        v = as_stored(v, update.stored_second);
        float q = 0;
        if (update.rounds) {
            q = update.intermediate(__fsqrt_rn(v), variance);
            q = update.intermediate(__fdiv_rn(q, update.bias), variance);
            q = update.intermediate(__fadd_rn(q, update.epsilon), variance);
            q = __fdiv_rn(m, q);
        } else
            q = formulas::AdamQuotient{update.bias, update.epsilon}(m, v);
        update.step(i, w, q);
    }
}

bool run_unscale(const ops::KernelCall &call) {
    if (call.inputs.size() != 2 || call.outputs.size() != 2 || call.outputs[1].dtype != DType::fp32 ||
        !(call.outputs[0].shape == call.inputs[0].shape) || call.inputs[1].shape.elements() != 1 ||
        call.outputs[1].shape.elements() != 1)
        return false;
    const std::int64_t count = call.outputs[0].shape.elements();
    const DeviceArray<unsigned> found(1);
    check(cudaMemset(found.data(), 0, sizeof(unsigned)), "cudaMemset");
    const Result result(call, 0);
    if (count > 0) {
        launch("unscale kernel", unscale_kernel, elementwise_grid(count), elementwise_block, Operand(call.inputs[0]),
               Operand(call.inputs[1]), result.values(), found.data(), count);
        result.leave();
    }
    const Result flag(call, 1);
    launch("flag kernel", flag_kernel, 1, 1, found.data(), flag.values());
    flag.leave(ops::OutputRounding{});
    return true;
}

/// Operands as required, same shapes; else the host says what is wrong.
bool operands_fit(const ops::KernelCall &call, std::size_t inputs, std::size_t outputs) {
    if (call.inputs.size() != inputs || call.outputs.size() != outputs) return false;
    for (const auto views : {call.inputs, call.outputs})
        for (const ops::TensorView &view : views)
            if (!(view.shape == call.inputs[0].shape) || view.dtype == DType::boolean) return false;
    return true;
}

bool run_step(const ops::KernelCall &call) {
    const bool adam = call.operation.kind == ops::OpKind::adam_step;
    const auto &given = call.operation.get<ops::OptimizerStep>();
    const bool has_momentum = given.momentum != 0;
    const std::size_t states = adam ? 2 : has_momentum ? 1 : 0, extra = states + (given.kahan ? 1 : 0);
    if (!operands_fit(call, 2 + extra, 1 + extra)) return false;
    const DType weight = call.inputs[0].dtype, gradient = call.inputs[1].dtype;
    const DType state = states > 0 ? call.inputs[2].dtype : weight;
    const ops::OptimizerStep step = ops::optimizer::hyperparameters(given, state);
    const auto steps = static_cast<double>(step.step);

    Update update{};
    update.weight = Operand(call.inputs[0]);
    update.gradient = Operand(call.inputs[1]);
    if (states > 0) update.first = Operand(call.inputs[2]);
    if (states > 1) update.second = Operand(call.inputs[3]);
    if (given.kahan) update.compensation = Operand(call.inputs[2 + states]);
    std::deque<Result> results;
    for (std::size_t i = 0; i < call.outputs.size(); ++i) results.emplace_back(call, i);
    update.new_weight = results[0].values();
    if (states > 0) update.new_first = results[1].values();
    if (states > 1) update.new_second = results[2].values();
    if (given.kahan) update.new_compensation = results[1 + states].values();
    update.stored_weight = call.outputs[0].dtype;
    update.stored_first = states > 0 ? call.outputs[1].dtype : DType::fp32;
    update.stored_second = states > 1 ? call.outputs[2].dtype : DType::fp32;
    update.decays = step.weight_decay != 0;
    update.decoupled = step.decoupled_weight_decay;
    update.decayed = update.decays || adam ? ops::optimizer::promoted(gradient, weight) : gradient;
    update.nesterov_type = ops::optimizer::promoted(update.decayed, state);
    update.rounds = ops::is_16bit(weight);
    update.has_momentum = has_momentum;
    update.first_step = step.step == 1;
    update.nesterov = step.nesterov;
    update.kahan = step.kahan;
    update.decay = static_cast<float>(step.weight_decay);
    update.shrink = static_cast<float>(1 - step.learning_rate * step.weight_decay);
    update.momentum = static_cast<float>(step.momentum);
    update.damping = static_cast<float>(1 - step.dampening);
    update.new_mean = static_cast<float>(1 - step.beta1);
    update.new_variance = static_cast<float>(1 - step.beta2);
    update.keep_variance = static_cast<float>(step.beta2);
    update.epsilon = static_cast<float>(step.epsilon);
    update.bias = static_cast<float>(std::sqrt(1 - std::pow(step.beta2, steps)));
    update.rate =
        static_cast<float>(adam ? step.learning_rate / (1 - std::pow(step.beta1, steps)) : step.learning_rate);

    // The compensated update reads the rounded weight: any rounding but to nearest happens after this kernel.
    const bool plain_rounding = call.operation.rounding == ops::OutputRounding{};
    if (step.kahan && !plain_rounding) return false;
    const std::int64_t count = call.outputs[0].shape.elements();
    if (count == 0) return true;
    launch(adam ? "adam kernel" : "sgd kernel", adam ? adam_kernel : sgd_kernel, elementwise_grid(count),
           elementwise_block, update, count);
    for (std::size_t i = 0; i < results.size(); ++i)
        results[i].leave(i == 0 ? call.operation.rounding : ops::OutputRounding{});
    return true;
}

} // namespace

bool run_optimizer(const ops::KernelCall &call) {
    if (!fits(call)) return false;
    return call.operation.kind == ops::OpKind::unscale_check ? run_unscale(call) : run_step(call);
}

} // namespace halfscope::kernels::device::operations
