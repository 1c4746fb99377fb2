// The normalisations, one function an operation; order and rounding points in ops/operation.h.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::ops::normalization {

template <typename C> void batch_norm_training(const KernelCall &call);
template <typename C> void batch_norm_inference(const KernelCall &call);
template <typename C> void batch_norm_gradient(const KernelCall &call);
template <typename C> void batch_norm_inference_gradient(const KernelCall &call);

/// layer_norm, rms_norm and group_norm: all three normalise rows of consecutive elements.
template <typename C> void row_norm(const KernelCall &call);
template <typename C> void row_norm_gradient(const KernelCall &call);

} // namespace halfscope::ops::normalization
