// The operations of emulation/ops/operation.h that the device has kernels for: order and rounding points are those
// written there. Operands and results are dense and in device memory; C is fp32. A function returns false, and has done
// nothing, where it has no kernel for these types or attributes: the backend then runs the emulator on the host.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::kernels::device::operations {

/// Every elementwise operation with a floating result, by broadcast operands; cast between floating types.
[[nodiscard]] bool run_elementwise(const ops::KernelCall &call);
/// Any batches, transposed or not; alpha and bias. Accumulation: the fma chain, and that of this device's matrix unit
/// for operands in 16 bits.
[[nodiscard]] bool run_matmul(const ops::KernelCall &call);
/// Forward and both gradients, as the fma chain, and as this device's matrix unit for operands in 16 bits.
[[nodiscard]] bool run_convolution(const ops::KernelCall &call);
/// reduce_sum, reduce_mean, reduce_max, reduce_min, reduce_product and reduce_sum_squares over any axes.
[[nodiscard]] bool run_reduction(const ops::KernelCall &call);
/// argmax, top_k and cumulative_sum, integers too.
[[nodiscard]] bool run_along_axis(const ops::KernelCall &call);
/// softmax, log_softmax and their gradients along any axis.
[[nodiscard]] bool run_softmax(const ops::KernelCall &call);
/// layer_norm, rms_norm and their gradients.
[[nodiscard]] bool run_normalization(const ops::KernelCall &call);
/// batch_norm in training and inference, and both gradients.
[[nodiscard]] bool run_batch_norm(const ops::KernelCall &call);
/// group_norm and its gradient.
[[nodiscard]] bool run_group_norm(const ops::KernelCall &call);
/// max_pool, average_pool and their gradients.
[[nodiscard]] bool run_pooling(const ops::KernelCall &call);
/// resize_nearest and its gradient.
[[nodiscard]] bool run_resize(const ops::KernelCall &call);
/// nll_loss, mse_loss, bce_with_logits and their gradients.
[[nodiscard]] bool run_loss(const ops::KernelCall &call);
/// gather and gather_elements, of any axis, their gradients, and one_hot.
[[nodiscard]] bool run_indexing(const ops::KernelCall &call);
/// reshape, transpose, expand, concat, slice and its gradient, pad, trilu: any storage but fp64.
[[nodiscard]] bool run_movement(const ops::KernelCall &call);
/// random_uniform and random_normal.
[[nodiscard]] bool run_drawn_values(const ops::KernelCall &call);
/// dropout and its gradient.
[[nodiscard]] bool run_dropout(const ops::KernelCall &call);
/// unscale_check, sgd_step and adam_step.
[[nodiscard]] bool run_optimizer(const ops::KernelCall &call);
/// The same in the words of ops/optimizer_step.h.
[[nodiscard]] bool run_optimizer_reference(const ops::KernelCall &call);

} // namespace halfscope::kernels::device::operations
