// One step of an accumulation chain, by its name: the scalar definition that the fast kernels reproduce.
#pragma once

#include "emulation/ops/kernel_call.h"

#include <cmath>

namespace halfscope::ops {

/// Rejects accumulations that have no implementation.
inline void require_available(const KernelCall &call, Accumulation model) {
    if (model > Accumulation::bf16_fma_chain)
        call.reject("accumulation '" + std::string(name_of(model)) + "' is not available yet");
}

template <typename C> C accumulate(Accumulation model, C a, C b, C sum) {
    const C exact = std::fma(a, b, sum);
    if (model == Accumulation::fma_chain) return exact;
    const number::FormatId format =
        model == Accumulation::fp16_fma_chain ? number::FormatId::fp16 : number::FormatId::bf16;
    return static_cast<C>(number::widen_16bit(number::round_to_16bit(static_cast<float>(exact), format), format));
}

} // namespace halfscope::ops
