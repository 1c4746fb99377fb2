// What the optimizer kernels share with their readable references: operands, results and factors of an update, and the
// table of an unscale over many tensors.
#pragma once

#include "emulation/ops/kernel_call.h"
#include "kernels/cuda/operations/operand.cuh"

namespace halfscope::kernels::device::operations {

/// Operands and results of one update, and the factors of its formulas in C.
struct Update {
    Operand weight, gradient, first, second, compensation; ///< first: momentum buffer or m; second: v
    float *new_weight, *new_first, *new_second, *new_compensation;
    ops::DType stored_weight, stored_first, stored_second; ///< of the results
    ops::DType decayed;                                    ///< of gradient + decay * weight
    ops::DType nesterov_type;                              ///< of that with the buffer
    bool rounds;                                           ///< intermediates, as eager kernels leave them
    bool decays, decoupled, has_momentum, first_step, nesterov, kahan;
    float decay, shrink, momentum, damping, new_mean, new_variance, keep_variance, bias, epsilon;
    float rate; ///< learning rate, or Adam's step size

    [[nodiscard]] __device__ float intermediate(float value, ops::DType type) const {
        return rounds ? as_stored(value, type) : value;
    }
};

/// One gradient of an unscale over many: its elements, where they go, and the first of its blocks of a launch.
struct Unscaled {
    Operand gradient;
    void *result;
    ops::DType stored; ///< fp32, fp16 or bf16
    std::int64_t count, first_block;
};

/// Rounded once, to nearest even, to fp32, fp16 or bf16.
__device__ inline void store_rounded(void *to, ops::DType stored, std::int64_t i, float value) {
    if (stored == ops::DType::fp16)
        static_cast<__half *>(to)[i] = from_fp32<__half>(value);
    else if (stored == ops::DType::bf16)
        static_cast<__nv_bfloat16 *>(to)[i] = from_fp32<__nv_bfloat16>(value);
    else
        static_cast<float *>(to)[i] = value;
}

/// Kernels by which run_optimizer works.
struct OptimizerKernels {
    void (*sgd)(const Update &update, std::int64_t count);
    void (*adam)(const Update &update, std::int64_t count);
    /// `found` becomes 1 where any gradient is inf or NaN; else it is left as it is.
    void (*unscale)(const Unscaled *table, int tensors, std::int64_t blocks, const float *inverse_scale, float *found);
};

/// Runs the call by these; false where they do not fit.
[[nodiscard]] bool with_optimizer(const ops::KernelCall &call, const OptimizerKernels &kernels);

inline constexpr std::int64_t unscale_chunk = 4096; ///< elements of one gradient that a block takes

} // namespace halfscope::kernels::device::operations
