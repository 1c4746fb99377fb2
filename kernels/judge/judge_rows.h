// Judges sums, softmax and layer normalisation of rows, and roundings.
#pragma once

#include "kernels/judge/judgement.h"
#include "kernels/judge/row_variant.h"

#include "emulation/number/rounding.h"
#include "emulation/ops/thread_pool.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace halfscope::kernels::judge {

/// `tested`: results for `inputs` in fp32, fp16 or bf16; `model`: a name of row_models(). Evidence in the order of
/// judge_matmul: bits of a model, bits of one after another rounding, the bound.
[[nodiscard]] Judgement judge_rows(const RowInputs &inputs, const ops::TensorView &tested, std::string_view model,
                                   ops::ThreadPool &threads);

/// How values leave for a narrower format.
struct RoundingRule {
    number::FormatId format = number::FormatId::fp16;
    number::RoundingMode mode; ///< every rounding but stochastic
    /// "nearest-even", "toward-zero, subnormals flushed, saturating".
    [[nodiscard]] std::string name() const;
};
/// Every value rounded by the rule; fp32 and tf32 in fp32.
[[nodiscard]] ops::HostTensor rounded_by(const RoundingRule &rule, const ops::HostTensor &x);
/// x: fp32 or fp64. `tested`: its values rounded to rule.format.
[[nodiscard]] Judgement judge_rounding(const ops::HostTensor &x, const ops::TensorView &tested,
                                       const RoundingRule &rule, ops::ThreadPool &threads);
/// "nearest-even", "nearest-away", "toward-zero", "up", "down", "stochastic".
[[nodiscard]] std::string_view name_of(number::Rounding rounding);

} // namespace halfscope::kernels::judge
