// The CPU's own half-precision and fp32 instructions as kernels under test. All are compiled on every x86-64 machine,
// by function target attributes, and offered where cpuid says that the CPU has them.
#pragma once

#include "kernels/registry/kernel.h"

#include <vector>

namespace halfscope::kernels {

/// vcvtps2ph with each rounding of its immediate, vcvtph2ps.
[[nodiscard]] std::vector<Kernel> f16c_kernels();

/// addps, subps, mulps, divps, sqrtps and vfmadd: the arithmetic that the emulator itself rests on.
[[nodiscard]] std::vector<Kernel> fp32_arithmetic_kernels();

/// vcvtneps2bf16 and vdpbf16ps. They treat subnormal operands as zero and flush subnormal results, whatever MXCSR says.
[[nodiscard]] std::vector<Kernel> avx512_bf16_kernels();

} // namespace halfscope::kernels
