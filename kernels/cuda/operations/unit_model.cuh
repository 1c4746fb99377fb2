// Which of the emulator's accumulations this device's matrix unit has.
#pragma once

#include "emulation/ops/operation.h"
#include "kernels/cuda/mma.cuh"

#include <cstdint>

namespace halfscope::kernels::device::operations {

enum class UnitAccumulator : std::uint8_t { none, fp32, fp16 };

/// What the unit accumulates in when it does as `model` says; none where it does otherwise.
[[nodiscard]] UnitAccumulator unit_accumulator(ops::Accumulation model);

/// Whether the unit takes products of such operands: 16 bits, and with an accumulator in fp16 fp16 alone.
[[nodiscard]] inline bool unit_takes(UnitAccumulator accumulator, ops::DType a, ops::DType b) {
    if (accumulator == UnitAccumulator::none || a != b) return false;
    return a == ops::DType::fp16 || (a == ops::DType::bf16 && accumulator == UnitAccumulator::fp32);
}

/// Calls body.template operator()<T, Accumulator>() with the operands' and the accumulator's types (mma.cuh).
template <typename Body> void with_unit_types(UnitAccumulator accumulator, ops::DType operands, const Body &body) {
    if (operands == ops::DType::bf16)
        body.template operator()<__nv_bfloat16, Fp32Accumulator>();
    else if (accumulator == UnitAccumulator::fp16)
        body.template operator()<__half, Fp16Accumulator>();
    else
        body.template operator()<__half, Fp32Accumulator>();
}

} // namespace halfscope::kernels::device::operations
