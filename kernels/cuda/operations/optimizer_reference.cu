// The readable optimizers: one thread an element, the steps of emulation/ops/optimizer_step.h in its words;
// and what both kinds of kernels are given.
#include "emulation/ops/optimizer/update.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/optimizer.cuh"
#include "kernels/cuda/operations/result.h"

#include <cmath>
#include <deque>
#include <limits>
#include <vector>

namespace halfscope::kernels::device::operations {
namespace {

using ops::DType;

__global__ void unscale_kernel(const Unscaled *table, int tensors, const float *inverse_scale, float *found) {
    const std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
    for (int t = 0; t < tensors; ++t) {
        if (i >= table[t].count) continue;
        const float g = table[t].gradient.at(i);
        if (isnan(g) || isinf(g)) atomicExch(found, 1.0f);
        store_rounded(table[t].result, table[t].stored, i, __fmul_rn(g, *inverse_scale));
    }
}

/// w + y for the update -rate * q; with a compensation c, y = update - c, and c becomes what w's storage lost.
__device__ void step(const Update &the, std::int64_t i, float w, float q) {
    if (!the.kahan) {
        the.new_weight[i] = __fmaf_rn(-the.rate, q, w);
        return;
    }
    const float u = __fmul_rn(-the.rate, q), y = __fsub_rn(u, the.compensation.at(i)), t = __fadd_rn(w, y);
    the.new_weight[i] = t;
    the.new_compensation[i] = __fsub_rn(__fsub_rn(as_stored(t, the.stored_weight), w), y);
}

__global__ void sgd_kernel(Update the, std::int64_t count) {
    const std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
    if (i >= count) return;
    const float w = the.weight.at(i);
    float g = the.gradient.at(i);
    if (the.decays) g = the.intermediate(__fmaf_rn(the.decay, w, g), the.decayed);
    if (the.has_momentum) {
        float b = g; // on step 1, whatever the buffer holds
        if (!the.first_step && the.rounds)
            b = __fmaf_rn(the.damping, g, the.intermediate(__fmul_rn(the.momentum, the.first.at(i)), the.first.dtype));
        else if (!the.first_step)
            b = __fmaf_rn(the.momentum, the.first.at(i), __fmul_rn(the.damping, g));
        the.new_first[i] = b;
        b = as_stored(b, the.stored_first);
        g = the.nesterov ? the.intermediate(__fmaf_rn(the.momentum, b, g), the.nesterov_type) : b;
    }
    step(the, i, w, g);
}

__global__ void adam_kernel(Update the, std::int64_t count) {
    const std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
    if (i >= count) return;
    const DType of_v = the.second.dtype;
    float w = the.weight.at(i), g = the.gradient.at(i);
    if (the.decays && the.decoupled) w = the.intermediate(__fmul_rn(w, the.shrink), the.weight.dtype);
    if (the.decays && !the.decoupled) g = the.intermediate(__fmaf_rn(the.decay, w, g), the.decayed);
    float m = the.first.at(i);
    m = __fmaf_rn(the.new_mean, __fsub_rn(g, m), m);
    the.new_first[i] = m;
    m = as_stored(m, the.stored_first);
    float v = the.intermediate(__fmul_rn(the.keep_variance, the.second.at(i)), of_v);
    v = __fmaf_rn(__fmul_rn(the.new_variance, g), g, v);
    the.new_second[i] = v;
    v = as_stored(v, the.stored_second);
    float q = the.intermediate(__fsqrt_rn(v), of_v);
    q = the.intermediate(__fdiv_rn(q, the.bias), of_v);
    q = the.intermediate(__fadd_rn(q, the.epsilon), of_v);
    step(the, i, w, __fdiv_rn(m, q));
}

unsigned blocks_of(std::int64_t count) {
    return static_cast<unsigned>((count + elementwise_block - 1) / elementwise_block);
}
void sgd(const Update &update, std::int64_t count) {
    launch("sgd reference kernel", sgd_kernel, blocks_of(count), elementwise_block, update, count);
}
void adam(const Update &update, std::int64_t count) {
    launch("adam reference kernel", adam_kernel, blocks_of(count), elementwise_block, update, count);
}
void unscale(const Unscaled *table, int tensors, std::int64_t blocks, const float *inverse_scale, float *found) {
    // As many threads as all gradients have elements: more than the longest needs.
    launch("unscale reference kernel", unscale_kernel, blocks_of(blocks * unscale_chunk), elementwise_block, table,
           tensors, inverse_scale, found);
}

} // namespace

bool run_optimizer_reference(const ops::KernelCall &call) { return with_optimizer(call, {sgd, adam, unscale}); }

namespace {

/// (g..., inverse scale) -> (unscaled g..., found).
bool run_unscale(const ops::KernelCall &call, const OptimizerKernels &kernels) {
    if (call.inputs.size() < 2 || call.outputs.size() != call.inputs.size()) return false;
    const std::size_t tensors = call.inputs.size() - 1;
    const ops::TensorView &scale = call.inputs[tensors], &flag_view = call.outputs[tensors];
    if (scale.dtype != DType::fp32 || scale.shape.elements() != 1 || flag_view.dtype != DType::fp32 ||
        flag_view.shape.elements() != 1)
        return false;
    std::deque<Result> measured; // results that are looked at, or rounded in another way, after the kernel
    std::vector<std::size_t> all_measured;
    std::vector<Unscaled> table;
    std::int64_t blocks = 0;
    for (std::size_t i = 0; i < tensors; ++i) {
        const ops::TensorView &out = call.outputs[i];
        if (!(out.shape == call.inputs[i].shape)) return false;
        const std::int64_t count = out.shape.elements();
        if (count == 0) continue;
        const bool plain = call.statistics_of(i) == nullptr && call.operation.rounding == ops::OutputRounding{};
        if (!plain) measured.emplace_back(call, i);
        table.push_back({Operand(call.inputs[i]), plain ? out.data : measured.back().values(),
                         plain ? out.dtype : DType::fp32, count, blocks});
        blocks += (count + unscale_chunk - 1) / unscale_chunk;
    }
    if (blocks > std::numeric_limits<std::int32_t>::max()) return false;
    const Result flag(call, tensors);
    check(cudaMemset(flag.values(), 0, sizeof(float)), "cudaMemset");
    if (!table.empty()) {
        DeviceArray<Unscaled> on_device(table.size());
        on_device.upload(table.data());
        kernels.unscale(on_device.data(), static_cast<int>(table.size()), blocks, scale.as<const float>(),
                        flag.values());
    }
    for (const Result &result : measured) result.leave();
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

/// The factors, each worked out in double.
void set_factors(Update &update, const ops::OptimizerStep &step, bool adam) {
    const auto steps = static_cast<double>(step.step);
    update.decays = step.weight_decay != 0;
    update.decoupled = step.decoupled_weight_decay;
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
}

bool run_step(const ops::KernelCall &call, const OptimizerKernels &kernels) {
    const bool adam = call.operation.kind == ops::OpKind::adam_step;
    const auto &given = call.operation.get<ops::OptimizerStep>();
    const bool has_momentum = given.momentum != 0;
    const std::size_t states = adam ? 2 : has_momentum ? 1 : 0, extra = states + (given.kahan ? 1 : 0);
    if (!operands_fit(call, 2 + extra, 1 + extra)) return false;
    // The compensated update reads the rounded weight: any rounding but to nearest happens after this kernel.
    if (given.kahan && !(call.operation.rounding == ops::OutputRounding{})) return false;
    const DType weight = call.inputs[0].dtype, gradient = call.inputs[1].dtype;
    const DType state = states > 0 ? call.inputs[2].dtype : weight;

    Update update{};
    set_factors(update, ops::optimizer::hyperparameters(given, state), adam);
    update.has_momentum = has_momentum;
    update.rounds = ops::is_16bit(weight);
    update.decayed = update.decays || adam ? ops::optimizer::promoted(gradient, weight) : gradient;
    update.nesterov_type = ops::optimizer::promoted(update.decayed, state);
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

    const std::int64_t count = call.outputs[0].shape.elements();
    if (count == 0) return true;
    (adam ? kernels.adam : kernels.sgd)(update, count);
    for (std::size_t i = 0; i < results.size(); ++i)
        results[i].leave(i == 0 ? call.operation.rounding : ops::OutputRounding{});
    return true;
}

} // namespace

bool with_optimizer(const ops::KernelCall &call, const OptimizerKernels &kernels) {
    if (!fits(call)) return false;
    return call.operation.kind == ops::OpKind::unscale_check ? run_unscale(call, kernels) : run_step(call, kernels);
}

} // namespace halfscope::kernels::device::operations
