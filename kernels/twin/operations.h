// The emulator's twins of kernels that have an operation of their own in emulation/ops/operation.h.
#pragma once

#include "emulation/ops/operation.h"
#include "kernels/registry/kernel.h"

namespace halfscope::kernels {

/// (x [R, L]) -> [R], the tree; (x [R, L]) -> softmax along L; (x, gamma, beta) -> layer norm along L. Results rounded
/// once to the output's storage.
void emulate_sum_rows(const KernelCall &call);
void emulate_softmax_rows(const KernelCall &call);
void emulate_layer_norm_rows(const KernelCall &call);

/// d = c + a b, c the accumulator's start; see emulation/ops/matmul/tensor_core_product.h.
void emulate_product(ops::Accumulation model, const KernelCall &call);

} // namespace halfscope::kernels
