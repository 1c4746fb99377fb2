// The indexing kernels, one function an operation; definitions in ops/operation.h. Indices are int64; negative ones
// count from the end of their axis; one outside [-size, size) is rejected with a sentence naming it.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::ops::indexing {

/// (data, indices) -> y of shape data[:axis] + indices.shape + data[axis+1:]. Between equal dtypes, bits are copied.
void gather(const KernelCall &call);
/// (dy, indices) -> d data; each sum starts from +0 and takes its contributions in index order.
template <typename C> void gather_gradient(const KernelCall &call);
/// (data, indices) -> y of the indices' shape; other axes of indices may be shorter than data's.
void gather_elements(const KernelCall &call);
/// (dy, indices) -> d data; sums as in gather_gradient, contributions in row-major order of the indices.
template <typename C> void gather_elements_gradient(const KernelCall &call);
/// (indices) -> 1 where the position along Axis equals the index, else 0; the depth is the output's size along Axis.
/// An index outside [-depth, depth) gives a row of zeros, as in ONNX.
void one_hot(const KernelCall &call);

} // namespace halfscope::ops::indexing
