// The device's kernels, called with tensors in host memory. Each states its order; the emulator's twin has the same
// bits. Dense row-major tensors; the shapes are those beside Task (kernels/registry/kernel.h). Throws
// std::runtime_error naming the CUDA call that failed, and where HalfScope was built without CUDA.
#pragma once

#include "kernels/registry/kernel.h"

#include <string>

namespace halfscope::kernels::device {

/// add, subtract, multiply, fused_multiply_add: the format's own instructions. divide, square_root of 16-bit formats:
/// in fp32, rounded, and rounded again to the format, which is harmless (fp32 keeps more than twice their bits and two:
/// Figueroa, "When is double rounding innocuous?", SIGNUM 1995).
void elementwise(Task task, const KernelCall &call);

/// The fixed tree of emulation/ops/reduction/tree.h over each row: a warp takes a row, lane l the elements l, l + 32,
/// ... of a chunk of 4096, the lanes join 16, 8, 4, 2, 1 apart; then the tree over the chunks.
void sum_rows(const KernelCall &call);
/// m = max, e = exp(x - m), y = e / tree(e); exp is the emulator's own (emulation/ops/transcendental).
void softmax_rows(const KernelCall &call);
/// mean = tree / n, variance = tree((x - mean)^2) / n, y = fma((x - mean) / sqrt(variance + eps), gamma, beta), the
/// quotient as a product with 1 / sqrt.
void layer_norm_rows(const KernelCall &call);

enum class Gemm : std::uint8_t {
    simt_reference,  ///< one thread a result: from c, one fma a product, k ascending
    simt,            ///< the same order, tiled through shared memory and registers
    mma_reference,   ///< one warp a tile of 16 x 8 by mma.sync: from c, k in steps of 16 (tf32: 8)
    mma,             ///< the same order, tiled through shared memory; fp16 and bf16 operands
    wgmma_reference, ///< one warpgroup a tile of 64 x 8 by wgmma: from c, k in steps of 16; fp16 and bf16 operands
    wgmma,           ///< the same order, tiled through swizzled shared memory in stages
};
/// d = c + a b; the accumulator has the output's format: fp32, for the matrix unit and fp16 operands also fp16. k must
/// be a multiple of 16 (tf32: 8) for the matrix unit. wgmma: std::runtime_error where the device has none.
void gemm(Gemm which, number::FormatId operands, const KernelCall &call);

/// The name of the accumulation model of this device's matrix unit: "ampere", "hopper", ... "hopper" where there is no
/// device to ask.
[[nodiscard]] std::string matrix_unit();

/// "" where the device has wgmma, or where there is no device to ask; else why not, in words.
[[nodiscard]] std::string wgmma_missing();

} // namespace halfscope::kernels::device
