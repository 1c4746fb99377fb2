// Matrix products without the matrix unit: per result one fma a product, k ascending, from c.
#pragma once

#include "emulation/ops/tensor.h"
#include "kernels/cuda/gemm.cuh"

namespace halfscope::kernels::device {

/// One thread a result.
void simt_gemm_reference(ops::DType operands, const GemmOperands &on, const GemmShape &shape);
/// Tiles of 64 x 64 results a block, 16 of k at a time in shared memory, 4 x 4 results a thread.
void simt_gemm(ops::DType operands, const GemmOperands &on, const GemmShape &shape);

} // namespace halfscope::kernels::device
