// The emulator's twin of a kernel whose result i depends on operand elements i alone.
#pragma once

#include "emulation/number/rounding.h"
#include "kernels/registry/kernel.h"

namespace halfscope::kernels {

/// What a machine adds to IEEE 754: the rounding it is set to, and whether subnormals are zero to it.
struct ElementwiseMode {
    number::RoundingMode rounding;
    bool flush_operands = false; ///< a subnormal operand counts as zero of its sign
};

/// Runs an elementwise task by emulation/number's scalar operations (fp32 to a 16-bit format to nearest even and toward
/// zero: by the bulk rounder that training uses). Throws std::invalid_argument when `task` is not elementwise or
/// operands do not fit.
void emulate_elementwise(Task task, const ElementwiseMode &mode, const KernelCall &call);

} // namespace halfscope::kernels
