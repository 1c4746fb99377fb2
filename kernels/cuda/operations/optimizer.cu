// Optimizer operations, one thread an element, and unscale-and-check over many tensors in one launch; arithmetic and
// intermediate roundings of emulation/ops/optimizer_step.h.
#include "kernels/cuda/operations/optimizer.cuh"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/formulas.cuh"
#include "kernels/cuda/operations/operations.h"

namespace halfscope::kernels::device::operations {
namespace {

using ops::DType;

/// A block takes a chunk of one gradient: the last whose blocks have begun.
__global__ void unscale_kernel(const Unscaled *table, int tensors, const float *inverse_scale, float *found) {
    int low = 0, high = tensors; // table[low].first_block <= blockIdx.x < table[high].first_block
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        (table[middle].first_block <= blockIdx.x ? low : high) = middle;
    }
    const Unscaled tensor = table[low];
    const float factor = *inverse_scale;
    const std::int64_t first = (blockIdx.x - tensor.first_block) * unscale_chunk;
    const std::int64_t end = first + unscale_chunk < tensor.count ? first + unscale_chunk : tensor.count;
    bool non_finite = false;
    for (std::int64_t i = first + threadIdx.x; i < end; i += blockDim.x) {
        const float value = tensor.gradient.at(i);
        non_finite = non_finite || isnan(value) || isinf(value);
        store_rounded(tensor.result, tensor.stored, i, __fmul_rn(value, factor));
    }
    if (non_finite) atomicExch(found, 1.0f);
}

/// The last step: w - rate * q, compensated or not.
__device__ void finish(const Update &update, std::int64_t i, float w, float q) {
    if (!update.kahan) {
        update.new_weight[i] = formulas::MultiplyAdd{-update.rate}(q, w);
        return;
    }
    const float u = __fsub_rn(__fmul_rn(-update.rate, q), update.compensation.at(i));
    const float t = __fadd_rn(w, u);
    update.new_weight[i] = t;
    update.new_compensation[i] = __fsub_rn(__fsub_rn(as_stored(t, update.stored_weight), w), u);
}

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
        finish(update, i, w, g);
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
        finish(update, i, w, q);
    }
}

void sgd(const Update &update, std::int64_t count) {
    launch("sgd kernel", sgd_kernel, elementwise_grid(count), elementwise_block, update, count);
}
void adam(const Update &update, std::int64_t count) {
    launch("adam kernel", adam_kernel, elementwise_grid(count), elementwise_block, update, count);
}
void unscale(const Unscaled *table, int tensors, std::int64_t blocks, const float *inverse_scale, float *found) {
    launch("unscale kernel", unscale_kernel, static_cast<unsigned>(blocks), elementwise_block, table, tensors,
           inverse_scale, found);
}

} // namespace

bool run_optimizer(const ops::KernelCall &call) { return with_optimizer(call, {sgd, adam, unscale}); }

} // namespace halfscope::kernels::device::operations
