// What one instruction of a matrix unit computes, as rows of data and one function: d = c + sum a_k * b_k over a block.
//
// Sources: Xie et al., "MMA-Sim: Bit-Accurate Reference Model of Tensor Cores and Matrix Cores" (arXiv 2511.10909) and
// its public model; Fasi, Higham, Mikaitis, Pranesh, "Numerical behavior of NVIDIA tensor cores" (PeerJ CS 2021). Bits
// have to be confirmed on the hardware itself; until a dated record says so, a row is the literature's word.
//
//   1. A NaN operand, 0 * inf, or infinities of both signs give NaN with the pattern 0x7FFFFFFF (fp16 accumulate:
//   0x7FFF);
//      an infinity otherwise gives itself.
//   2. Subnormals are kept. Operand significands are in [0, 2) with the format's smallest exponent for subnormals;
//   products
//      are not normalised, so they lie in [0, 4) with exponent e_a + e_b. Zero terms take no part in the next step.
//   3. Every term, c included, is aligned to the largest exponent and cut toward zero to `fraction_bits` below it.
//   4. The cut terms are added exactly.
//   5. The sum is normalised and rounded once: to fp32 toward zero (infinity from 2^128 on), to fp16 to nearest even. A
//   zero
//      sum is +0.
#pragma once

#include "emulation/number/round.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace halfscope::number {

struct TensorCore {
    std::string_view name;
    int fraction_bits; ///< kept below the largest exponent
    int block;         ///< products per fused add, 16-bit operands
    int block_tf32;    ///< products per fused add, tf32 operands; 0: the unit has none
    bool bf16;         ///< takes bf16 operands
};

inline constexpr std::array<TensorCore, 6> tensor_cores{{
    {"volta", 23, 4, 0, false},
    {"turing", 24, 8, 0, false},
    {"ampere", 24, 8, 4, true},
    {"ada", 24, 8, 4, true},
    {"hopper", 25, 16, 8, true},
    {"blackwell", 25, 16, 8, true},
}};

inline constexpr std::uint64_t tensor_core_nan_fp32 = 0x7fffffff;
inline constexpr std::uint64_t tensor_core_nan_fp16 = 0x7fff;

namespace detail {

/// A term of the fused sum: magnitude = significand * 2^(exponent - fraction), aligned by `exponent`.
struct Term {
    bool negative = false;
    int exponent = 0;
    int fraction = 0;
    std::uint64_t significand = 0;
};

[[nodiscard]] constexpr Term term_of(const Format &f, const Unpacked &u) {
    return {u.negative, u.exponent + f.precision - 1, f.precision - 1, u.significand};
}

[[nodiscard]] constexpr std::int64_t cut_to(const Term &term, int largest, int fraction_bits) {
    const int up = term.exponent - largest + fraction_bits - term.fraction;
    std::uint64_t magnitude = 0;
    if (up >= 0)
        magnitude = term.significand << up;
    else if (up > -64)
        magnitude = term.significand >> -up;
    return term.negative ? -static_cast<std::int64_t>(magnitude) : static_cast<std::int64_t>(magnitude);
}

} // namespace detail

/// One fused dot-add of at most a block of `operands`-format products on c, an encoding of `accumulator` (fp32 or
/// fp16). The reference: slow, in exact integers, written to be read.
[[nodiscard]] constexpr std::uint64_t fused_dot_add(const TensorCore &core, const Format &operands,
                                                    std::span<const std::uint32_t> a, std::span<const std::uint32_t> b,
                                                    const Format &accumulator, std::uint64_t c) {
    const bool narrow = accumulator.id == FormatId::fp16;
    const std::uint64_t nan = narrow ? tensor_core_nan_fp16 : tensor_core_nan_fp32;
    const Unpacked start = unpack(accumulator, c);
    bool plus_infinity = start.kind == Kind::infinity && !start.negative;
    bool minus_infinity = start.kind == Kind::infinity && start.negative;
    if (start.is_nan()) return nan;

    std::array<detail::Term, 17> terms{};
    std::size_t count = 0;
    if (start.kind == Kind::finite) terms[count++] = detail::term_of(accumulator, start);
    for (std::size_t k = 0; k < a.size(); ++k) {
        const Unpacked x = unpack(operands, a[k]), y = unpack(operands, b[k]);
        const bool infinite = x.kind == Kind::infinity || y.kind == Kind::infinity;
        const bool zero_product = x.kind == Kind::zero || y.kind == Kind::zero;
        if (x.is_nan() || y.is_nan() || (infinite && zero_product)) return nan;
        const bool negative = x.negative != y.negative;
        if (infinite) {
            (negative ? minus_infinity : plus_infinity) = true;
            continue;
        }
        if (zero_product) continue;
        const detail::Term tx = detail::term_of(operands, x), ty = detail::term_of(operands, y);
        terms[count++] = {negative, tx.exponent + ty.exponent, tx.fraction + ty.fraction,
                          tx.significand * ty.significand};
    }
    if (plus_infinity && minus_infinity) return nan;
    if (plus_infinity || minus_infinity) return infinity(accumulator, minus_infinity);
    if (count == 0) return zero(accumulator, false);

    int largest = terms[0].exponent;
    for (std::size_t i = 1; i < count; ++i) largest = std::max(largest, terms[i].exponent);
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += detail::cut_to(terms[i], largest, core.fraction_bits);
    if (sum == 0) return zero(accumulator, false);
    const Exact<std::uint64_t> value{sum < 0, largest - core.fraction_bits,
                                     static_cast<std::uint64_t>(sum < 0 ? -sum : sum), false};
    RoundingMode mode;
    mode.rounding = narrow ? Rounding::nearest_even : Rounding::toward_zero;
    const Result result = round(accumulator, value, mode);
    return result.status & overflow ? infinity(accumulator, value.negative) : result.bits;
}

} // namespace halfscope::number
