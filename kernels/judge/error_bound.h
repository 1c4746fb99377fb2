// Derived bounds: how far from the exact result a right kernel may be, whatever the order it takes its terms in. No
// bound here is measured or tuned; each function says how it is derived.
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
    double cut = 0;         ///< each term of a block loses less than this times the largest (2^-F; 0: no cut)
    double rounding = 0;    ///< relative error of what leaves a block: half an ulp (nearest), an ulp (truncated)
    double smallest = 0;    ///< absolute error of the same where it is subnormal
    double largest = 0;     ///< largest finite value of the accumulator: beyond it any result is right
    bool flushes = false;   ///< subnormal operands and results count as zero
};

/// The arithmetic of an accumulation model for operands of a format.
[[nodiscard]] Arithmetic arithmetic_of(ops::Accumulation model, number::FormatId operands);
/// Plain additions (and separately rounded products) in a format, to nearest even.
[[nodiscard]] Arithmetic arithmetic_in(number::FormatId format);

/// |error| <= relative * scale + absolute.
struct ErrorBound {
    double relative = 0, absolute = 0;
    std::string derivation;
    [[nodiscard]] double of(double scale) const { return relative * scale + absolute; }
};

/// Of c + sum of k products in any order: see the definition for the derivation. `scale` is sum |a_k b_k| + |c|, with
/// subnormal operands counted as the smallest normal where the model aligns by exponents.
[[nodiscard]] ErrorBound dot_product_bound(const Arithmetic &arithmetic, std::int64_t k, bool with_c);
/// Of a sum of n terms in any order; `scale` is sum |x_i|.
[[nodiscard]] ErrorBound sum_bound(const Arithmetic &arithmetic, std::int64_t n);
/// Of one rounding to `result`: half an ulp to nearest, an ulp otherwise; `scale` is |value|.
[[nodiscard]] ErrorBound rounding_bound(number::FormatId result, bool to_nearest);

} // namespace halfscope::kernels::judge
