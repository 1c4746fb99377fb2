// The device's own conversions between fp32 and the 16-bit formats. The emulator's come from its integer rounder; a
// test over every input is the bridge between the two.
#pragma once

#include "emulation/number/format.h"

#include <cstdint>
#include <span>

namespace halfscope::kernels {

/// fp32 to fp16 or bf16, to nearest even, by the device's conversion instructions. Host memory in, host memory out,
/// equal lengths. Throws std::runtime_error naming the CUDA call that failed.
void round_on_device(std::span<const float> values, number::FormatId format, std::span<std::uint16_t> results);

/// fp16 or bf16 to fp32.
void widen_on_device(std::span<const std::uint16_t> values, number::FormatId format, std::span<float> results);

} // namespace halfscope::kernels
