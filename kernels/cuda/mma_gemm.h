// Matrix products on the matrix unit by mma.sync: per result the unit's fused adds of blocks of k, ascending, from c.
#pragma once

#include "emulation/number/format.h"
#include "kernels/cuda/gemm.cuh"

namespace halfscope::kernels::device {

/// operands: fp16, bf16 (k a multiple of 16) or tf32 (of 8). fp16_accumulator: c and d are fp16, operands fp16; else
/// fp32. One warp a tile of 16 x 8 results, operands read from global memory as the fragments want them.
void mma_gemm_reference(number::FormatId operands, bool fp16_accumulator, const GemmOperands &on,
                        const GemmShape &shape);
/// The same bits: 128 x 128 results a block of 8 warps, 32 of k at a time through shared memory, double-buffered in
/// registers. fp16 and bf16.
void mma_gemm(number::FormatId operands, bool fp16_accumulator, const GemmOperands &on, const GemmShape &shape);

} // namespace halfscope::kernels::device
