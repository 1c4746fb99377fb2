// Which accumulations a product accepts. A new one needs a step in register_tile-inl.h or a block in block_tile-inl.h,
// a case where gemm.cpp and indirect_product.cpp choose it, and its name here.
#pragma once

#include "emulation/ops/kernel_call.h"
#include "emulation/ops/matmul/accumulation_model.h"

#include <string>
#include <type_traits>

namespace halfscope::ops {

/// Rejects what `model` has no meaning for: the dtypes of the two operands, C in double.
template <typename C> void require_available(const KernelCall &call, Accumulation model) {
    const std::string reason = refusal(model, call.inputs[0].dtype, call.inputs[1].dtype);
    if (!reason.empty()) call.reject(reason);
    if (model == Accumulation::fma_chain || std::is_same_v<C, float>) return;
    call.reject("accumulation '" + std::string(name_of(model)) + "' has no meaning in fp64; use fma-chain");
}

} // namespace halfscope::ops
