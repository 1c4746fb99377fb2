// Which accumulations the product engine has. A new one needs a step (or a block of steps) in register_tile-inl.h, a
// case where gemm.cpp and indirect_product.cpp choose the step, and its name here.
#pragma once

#include "emulation/ops/kernel_call.h"

#include <string>
#include <type_traits>

namespace halfscope::ops {

/// Rejects accumulations that have no implementation for chains in C.
template <typename C> void require_available(const KernelCall &call, Accumulation model) {
    const bool rounded = model == Accumulation::fp16_fma_chain || model == Accumulation::bf16_fma_chain;
    if (model == Accumulation::fma_chain || (rounded && std::is_same_v<C, float>)) return;
    const std::string name = "accumulation '" + std::string(name_of(model)) + "'";
    if (rounded) call.reject(name + " has no meaning for fp64 operands; use fma-chain");
    call.reject(name + " is not available yet");
}

} // namespace halfscope::ops
