// Derived bounds: how far from the exact result a right kernel may be, whatever the order it takes its terms in. No
// bound here is measured or tuned; each declaration says how it is derived.
#pragma once

#include "emulation/number/format.h"
#include "emulation/ops/operation.h"

#include <cstdint>
#include <string>

namespace halfscope::kernels::judge {

/// What an accumulation loses at each step.
struct Arithmetic {
    std::string name;       ///< "fma-chain", "hopper"
    std::int64_t block = 1; ///< products added at once, exactly but for the cut
    double cut = 0;         ///< a term of a block loses less than this times the largest term (2^-F; 0: no cut)
    double rounding = 0;    ///< relative error of each rounded result: half an ulp (to nearest), an ulp (truncated)
    double smallest = 0;    ///< absolute error of the same in the subnormal range
    double floor = 0;       ///< magnitude that an accumulator aligns as, however small it is (its smallest normal)
    double largest = 0;     ///< largest finite value of the accumulator: beyond it infinity is right
    bool flushes = false;   ///< subnormal operands and results count as zero
};

/// The arithmetic of an accumulation model for operands of a format.
[[nodiscard]] Arithmetic arithmetic_of(ops::Accumulation model, number::FormatId operands);
/// Additions, multiplications and fma in a format, each to nearest even.
[[nodiscard]] Arithmetic arithmetic_in(number::FormatId format);

/// |error| <= relative * scale + absolute.
struct ErrorBound {
    double relative = 0, absolute = 0;
    std::string derivation; ///< one line
    [[nodiscard]] double of(double scale) const { return relative * scale + absolute; }
};

/// The bound on c + sum of k products a_i b_i, in any order; scale = sum |a_i b_i| + |c|.
///
/// Without a cut (block 1; u = rounding, n = k, plus 1 with c). Whatever the tree, a product passes through at most one
/// rounding of its own and the n - 1 additions above it, each a factor (1 + d) with |d| <= u; so
///   |error| <= ((1 + u)^n - 1) * scale + k * smallest * (1 + u)^n
/// (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 3.1 and 4.2, without his 1 / (1 - nu);
/// sums in a format's subnormal range are exact, products there err by at most `smallest`).
///
/// With a cut: B = ceil(k / block) fused adds, which may form one chain or partial sums joined by additions. A fused
/// add of products p_i on t aligns at most block + 1 terms to the largest exponent and cuts each by less than
/// cut * 2^e, where 2^e <= max(|p_i|, |t|) (operands below the smallest normal count as it: their exponent is what
/// aligns; `scale` is to be taken so); cutting never makes a term larger, so the sum is at most sum |p_i| + |t| =: T <=
/// (1 + r)^2B * scale and its rounding costs r * T + smallest, r = rounding. Errors of earlier steps enter later ones
/// unchanged. An accumulator below its smallest normal aligns as that: block + 1 cuts of
/// it a block, more. B fused adds, and at most B - 1 additions that join partial sums (B with c), each losing at most r
/// * T:
///   |error| <= (B * ((block + 1) * cut + r) + joins * r) * (1 + r)^2B * scale
///              + (2B * smallest + B * (block + 1) * cut * floor) * (1 + r)^2B
/// (the facts of the unit: number/tensor_core.h).
[[nodiscard]] ErrorBound dot_product_bound(const Arithmetic &arithmetic, std::int64_t k, bool with_c);

/// Sum of n terms in any order: ((1 + u)^(n - 1) - 1) * scale, scale = sum |x_i|; sums have no underflow error. With
/// 16-bit results of additions made in fp32, u holds both roundings.
[[nodiscard]] ErrorBound sum_bound(const Arithmetic &arithmetic, std::int64_t n);

/// One rounding to `result`: half an ulp to nearest, an ulp otherwise; scale = |value|. The absolute part is half the
/// smallest subnormal, or all of it.
[[nodiscard]] ErrorBound rounding_bound(number::FormatId result, bool to_nearest);

/// The looser of two, for the question "may any of these arithmetics have left this?".
[[nodiscard]] const ErrorBound &looser(const ErrorBound &a, const ErrorBound &b);

/// (1 + u)^n - 1 without cancellation.
[[nodiscard]] double compounded(double u, double n);
/// The smallest value that rounds to infinity in a format, to nearest.
[[nodiscard]] double overflow_threshold(number::FormatId format);

} // namespace halfscope::kernels::judge
