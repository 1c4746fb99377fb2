// The exact result of every element of an operation, and the most that a right kernel may miss it by.
#pragma once

#include "kernels/judge/error_bound.h"
#include "kernels/judge/judgement.h"

#include "emulation/number/format.h"
#include "emulation/ops/operation.h"
#include "emulation/ops/tensor.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace halfscope::kernels::judge {

/// high + low, with low below half an ulp of high: an exact value to 2^-106 of itself, far below any error judged. An
/// infinite or undefined (inf - inf, 0 * inf, NaN operand) result has an infinite or NaN `high`.
struct ExactValue {
    double high = 0, low = 0;
};

/// Exact results of one operation on given inputs, computed on demand, element by element and from several threads.
/// The views must stay valid.
struct ExactResults {
    /// Exact result and the largest |right result - exact|, the rounding to the result's format included. Where the
    /// arithmetic may overflow on the way to this element, `bound` is infinite: any result is right.
    struct Value {
        ExactValue exact;
        double bound = 0;
        double scale = 0; ///< what errors are proportional to: sum |a_k b_k| of a product; |exact| of a rounding
    };
    std::int64_t elements = 0;
    std::int64_t work = 1; ///< roughly, operations per element
    std::function<Value(std::int64_t index)> at;
    /// Inputs of an element: those that weigh most first, at most `most`; `left_out` counts the others.
    std::function<std::vector<Operand>(std::int64_t index, std::size_t most, std::int64_t &left_out)> operands;
    std::string derivation; ///< of the bound, one line
    double rtol = 0;        ///< the part of the bound that is relative to the exact result: the last rounding
    std::string atol;       ///< formula of the rest: "9.5e-07 * (|a| @ |b|)"
};

/// (a [..., m, k], b [..., k, n][, c that broadcasts to the result]) -> c + a b. Operands may be fp16, bf16, fp32 (also
/// tf32, when the values are). `result` is the format of the tested results.
[[nodiscard]] ExactResults exact_matmul(const ops::TensorView &a, const ops::TensorView &b, const ops::TensorView *c,
                                        const ops::Shape &shape, const Arithmetic &arithmetic, number::FormatId result);
/// Sums over the last axis: (x [..., n]) -> [...].
[[nodiscard]] ExactResults exact_sum(const ops::TensorView &x, const Arithmetic &arithmetic, number::FormatId result);
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
