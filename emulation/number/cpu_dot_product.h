// What one lane of VDPBF16PS (AVX512_BF16) computes: two bf16 products added to an fp32 accumulator.
//
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, VDPBF16PS. Two fused multiply-adds
// in fp32, the odd element first, each rounded to nearest even. Operands and accumulator that are subnormal count as
// zeros of their sign, a tiny result becomes zero of its sign; MXCSR is not consulted. Tiny is decided after rounding,
// as x86 decides it elsewhere. Which NaN comes out is not modelled: the canonical quiet one is left.
#pragma once

#include "emulation/number/arithmetic.h"

namespace halfscope::number {

/// One of the two steps: acc + a * b, on encodings (a and b in bf16, acc in fp32).
[[nodiscard]] constexpr std::uint32_t flushing_fma(std::uint16_t a, std::uint16_t b, std::uint32_t acc) {
    const Format &f32 = format_of(FormatId::fp32);
    const auto as_zero = [](std::uint32_t bits) {
        return (bits & 0x7f800000u) == 0 ? bits & 0x80000000u : bits; // denormals are zeros
    };
    const std::uint32_t wide_a = as_zero(std::uint32_t{a} << 16), wide_b = as_zero(std::uint32_t{b} << 16);
    const Result result = fused_multiply_add(f32, wide_a, wide_b, as_zero(acc));
    const auto bits = static_cast<std::uint32_t>(result.bits);
    const bool subnormal = (bits & 0x7f800000u) == 0; // an exact one raises no underflow
    return subnormal || (result.status & underflow) ? bits & 0x80000000u : bits;
}

/// acc + a[1] * b[1], then + a[0] * b[0].
[[nodiscard]] constexpr std::uint32_t dot_pair_bf16(std::uint32_t acc, std::uint16_t a0, std::uint16_t a1,
                                                    std::uint16_t b0, std::uint16_t b1) {
    return flushing_fma(a0, b0, flushing_fma(a1, b1, acc));
}

} // namespace halfscope::number
