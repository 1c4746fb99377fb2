// The exact result of every element of an operation, and the most that a right kernel may miss it by.
#pragma once

#include "kernels/judge/error_bound.h"
#include "kernels/judge/exact_sum.h"
#include "kernels/judge/judgement.h"

#include "emulation/number/format.h"
#include "emulation/ops/operation.h"
#include "emulation/ops/tensor.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace halfscope::kernels::judge {

/// Exact results of one operation on given inputs, computed on demand, element by element and from several threads.
/// The views must stay valid.
struct ExactResults {
    struct Value {
        ExactValue exact;
        double bound = 0;          ///< largest |right result - exact|, the rounding to the result's format included
        double scale = 0;          ///< what errors grow with: sum |a_k b_k| of a product, |exact| of a rounding
        bool may_overflow = false; ///< infinity or NaN may be right: a partial sum or the result can overflow

        /// |tested - exact| / bound, 0 where both are the same; infinite where only one is finite and nothing allows
        /// it. Of operands that are not finite one answer is right, unless the finite ones overflow to the other
        /// infinity on the way: then NaN is right too.
        [[nodiscard]] double share_of_bound(double tested) const {
            if (!std::isfinite(exact.high)) {
                const bool same = std::isnan(exact.high) ? std::isnan(tested) : tested == exact.high;
                return same || (may_overflow && std::isnan(tested)) ? 0 : HUGE_VAL;
            }
            if (!std::isfinite(tested)) return may_overflow ? 0 : HUGE_VAL;
            const double error = std::fabs(error_of(tested, exact));
            return error == 0 ? 0 : bound > 0 ? error / bound : HUGE_VAL;
        }
    };
    std::int64_t elements = 0;
    std::int64_t work = 1; ///< of one element, in additions
    std::function<Value(std::int64_t index)> at;
    /// Inputs of an element, those that weigh most first, at most `most`; `left_out` counts the others.
    std::function<std::vector<Operand>(std::int64_t index, std::size_t most, std::int64_t &left_out)> operands;
    std::string derivation; ///< of the bound, one line
    double rtol = 0;        ///< the part of the bound that is relative to the exact result: the last rounding
    double relative = 0;    ///< the part that is relative to `scale`
    std::string scale_name; ///< "(|a| @ |b|)"
};

/// (a [..., m, k], b [..., k, n][, c that broadcasts to the result]) -> c + a b. Operands may be fp16, bf16, fp32 (also
/// tf32, when the values are). `result` is the format of the tested results.
[[nodiscard]] ExactResults exact_matmul(const ops::TensorView &a, const ops::TensorView &b, const ops::TensorView *c,
                                        const ops::Shape &shape, const Arithmetic &arithmetic, number::FormatId result);
/// Sums over the last axis: (x [..., n]) -> [...].
[[nodiscard]] ExactResults exact_sum(const ops::TensorView &x, const Arithmetic &arithmetic, number::FormatId result);
/// Results that are an exact value rounded once (conversions, one addition, one division, ...): half an ulp to nearest,
/// an ulp otherwise. `value(i)` gives the exact value of element i, or its first 106 bits.
[[nodiscard]] ExactResults exact_rounded(std::int64_t elements, std::function<ExactValue(std::int64_t)> value,
                                         number::FormatId result, bool to_nearest);
/// x rounded to `result`: within one ulp in a directed rounding, half an ulp to nearest.
[[nodiscard]] ExactResults exact_rounding(const ops::TensorView &x, number::FormatId result, bool to_nearest);
/// exp(x_i) / sum exp(x_j) along the last axis.
[[nodiscard]] ExactResults exact_softmax(const ops::TensorView &x, const Arithmetic &arithmetic,
                                         number::FormatId result);
/// (x - mean) / sqrt(variance + epsilon) * gamma + beta along the last axis; gamma and beta may be null.
[[nodiscard]] ExactResults exact_layer_norm(const ops::TensorView &x, const ops::TensorView *gamma,
                                            const ops::TensorView *beta, double epsilon, const Arithmetic &arithmetic,
                                            number::FormatId result);

} // namespace halfscope::kernels::judge
