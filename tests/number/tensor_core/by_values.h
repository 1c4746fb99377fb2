// A second transcription of a tensor core's fused dot-add: its five steps in double arithmetic on values, instead of
// integers on encodings. Judges number/tensor_core.h and, in bulk, the product engine.
#pragma once

#include "emulation/number/conversion.h"
#include "emulation/number/tensor_core.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace halfscope::test {

using namespace halfscope::number;

inline double value_of(const Format &f, std::uint64_t bits) {
    return std::bit_cast<double>(convert(f, bits, format_of(FormatId::fp64)).bits);
}

struct Parts {
    double significand;
    int exponent;
};
inline Parts parts_of(double x, int smallest_exponent) {
    int exponent = 0;
    double significand = 2 * std::frexp(x, &exponent);
    --exponent;
    if (exponent < smallest_exponent) {
        significand = std::ldexp(significand, exponent - smallest_exponent);
        exponent = smallest_exponent;
    }
    return {significand, exponent};
}

/// The same arguments and result as fused_dot_add, with an fp16 accumulator when `narrow`. All sums are exact in a
/// double: at most 17 terms of 27 bits on one grid.
inline std::uint64_t by_values(const TensorCore &core, const Format &f, const std::vector<std::uint32_t> &a,
                               const std::vector<std::uint32_t> &b, bool narrow, std::uint64_t c_bits) {
    const Format &acc = format_of(narrow ? FormatId::fp16 : FormatId::fp32);
    const double c = value_of(acc, c_bits);
    double plain = c; // only for its kind: NaN or infinity arises exactly when the model says so
    for (std::size_t k = 0; k < a.size(); ++k) plain += value_of(f, a[k]) * value_of(f, b[k]);
    if (std::isnan(plain)) return narrow ? tensor_core_nan_fp16 : tensor_core_nan_fp32;
    if (std::isinf(plain)) return infinity(acc, plain < 0);
    std::vector<Parts> terms;
    if (c != 0) terms.push_back(parts_of(c, acc.emin));
    for (std::size_t k = 0; k < a.size(); ++k) {
        const double x = value_of(f, a[k]), y = value_of(f, b[k]);
        if (x == 0 || y == 0) continue;
        const Parts p = parts_of(x, f.emin), q = parts_of(y, f.emin);
        terms.push_back({p.significand * q.significand, p.exponent + q.exponent});
    }
    if (terms.empty()) return 0;
    int largest = terms.front().exponent;
    for (const Parts &term : terms) largest = std::max(largest, term.exponent);
    double sum = 0;
    for (const Parts &term : terms)
        sum += std::trunc(std::ldexp(term.significand, core.fraction_bits + term.exponent - largest));
    const double exact = std::ldexp(sum, largest - core.fraction_bits);
    if (exact == 0) return 0;
    RoundingMode mode;
    mode.rounding = narrow ? Rounding::nearest_even : Rounding::toward_zero;
    const Result rounded = convert(format_of(FormatId::fp64), std::bit_cast<std::uint64_t>(exact), acc, mode);
    return rounded.status & overflow ? infinity(acc, exact < 0) : rounded.bits;
}

} // namespace halfscope::test
