// The kernel families of the CPU emulator: one function a family, called by cpu_backend.cpp.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::ops {

void run_elementwise(
    const KernelCall &call); ///< elementwise/: every elementwise operation and gradient, cast, fill, where
void run_reduction(const KernelCall &call);     ///< reduction/: reduce_*, argmax, top_k, cumulative_sum
void run_matmul(const KernelCall &call);        ///< matmul/
void run_convolution(const KernelCall &call);   ///< convolution/: forward and both gradients
void run_pooling(const KernelCall &call);       ///< pooling/, resize
void run_normalization(const KernelCall &call); ///< normalization/: batch, layer, group, rms, and gradients
void run_softmax(const KernelCall &call);       ///< softmax/: softmax, log_softmax and gradients
void run_loss(const KernelCall &call);          ///< loss/: nll, mse, bce and gradients
void run_indexing(const KernelCall &call);      ///< indexing/: gather, gather_elements, gradients, one_hot
void run_movement(const KernelCall &call);      ///< movement/: transpose, reshape, expand, concat, slice, pad, trilu
void run_random(const KernelCall &call);        ///< random/: dropout and its gradient, random values
void run_optimizer(const KernelCall &call);     ///< optimizer/: unscale_check, sgd_step, adam_step

} // namespace halfscope::ops
