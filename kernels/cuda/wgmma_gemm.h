// Matrix products on Hopper's matrix unit by wgmma: per result the unit's fused adds of 16 products, k ascending, from
// c; the same bits as mma.sync on that device.
#pragma once

#include "emulation/number/format.h"
#include "kernels/cuda/gemm.cuh"

namespace halfscope::kernels::device {
namespace operations {
struct Finish;
}

/// operands: fp16 or bf16, k a multiple of 16; c and d as for mma_gemm. A warpgroup takes 64 x 8 results, 16 of k at a
/// time through shared memory without swizzling. Throws std::runtime_error where wgmma_missing().
void wgmma_gemm_reference(number::FormatId operands, bool fp16_accumulator, const GemmOperands &on,
                          const GemmShape &shape);
/// How operands lie: a as [m, k] or, transposed, as [k, m]; b as [k, n] or, transposed, as [n, k].
struct GemmLayout {
    bool a_transposed = false, b_transposed = false;
};
/// Whether 16 bytes of either operand can be moved at once: what lies side by side is a multiple of 8. Then any k.
[[nodiscard]] bool fits_wgmma(const GemmShape &shape, const GemmLayout &layout);
/// The same bits: 128 x 256 results a block of two warpgroups, 64 of k at a time through four stages of swizzled shared
/// memory, filled by cp.async two stages ahead. Either k is a multiple of 16 and nothing is transposed, or
/// fits_wgmma().
void wgmma_gemm(number::FormatId operands, bool fp16_accumulator, const GemmOperands &on, const GemmShape &shape,
                const GemmLayout &layout = {});

/// The same sums from +0, each left as `finish` says, batch 0 of it. No copy of the sums themselves is kept.
void wgmma_matmul(number::FormatId operands, bool fp16_accumulator, const void *a, const void *b,
                  const operations::Finish &finish, const GemmShape &shape, const GemmLayout &layout);

} // namespace halfscope::kernels::device
