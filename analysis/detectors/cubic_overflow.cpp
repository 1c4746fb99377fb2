// cubic-overflow: the cube inside a hand-written tanh GELU overflows.
//
// What it looks for. The first forward overflow is in a product or power with a tanh within four operations: x^3 in
// 0.5 x (1 + tanh(0.798 (x + 0.0447 x^3))) is infinite in fp16 from |x| = 40.3. The forward value is right all the
// same, tanh(inf) = 1 (the near-miss of hazard A13), which is why an overflow counter flags models that train well. The
// backward pass multiplies 1 - tanh^2 = 0 by 3 x^2, which is infinite from |x| = 147.8: 0 * inf is NaN.
//
// Threshold. One element names it. It is information as long as the backward pass is finite (or its steps were skipped
// in ones and twos); critical when the loss curve is bad and fidelity does not contradict.
#include "analysis/detectors/overflow_kind.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

/// Gradients that are NaN where the twin's are not.
bool gradients_are_nan(const Evidence &e) {
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (!tensor.info.backward || tensor.summary.total.nans == 0) continue;
        for (const std::int64_t step : tensor.summary.steps)
            if (own_events(tensor, e.twin, step) & nan_event) return true;
    }
    return false;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (overflow_kind(e, findings) != OverflowKind::cubic) return;
    const TensorHistory &tensor = *e.origins.forward.tensor;
    Finding f = forward_overflow_finding(e, cubic_overflow);
    const bool harmful = gradients_are_nan(e);
    if (!harmful) f.severity = Severity::info;
    f.cause = harmful
                  ? fmt::format("The power inside the tanh of {} overflows {}; forward tanh(inf) is right, backward 0 "
                                "* inf is NaN.",
                                named(f.layer), tensor.info.format)
                  : fmt::format("The power inside the tanh of {} overflows {}, and tanh(inf) = 1 is the right "
                                "value; the gradients are finite.",
                                named(f.layer), tensor.info.format);
    f.remedy = harmful
                   ? fmt::format("Use the framework's fused GELU, whose inside is fp32, or ReLU, or compute {} in {}.",
                                 named(f.layer), wider_format(tensor.info.format))
                   : "None needed while inputs stay below 148 (fp16).";
    findings.push_back(std::move(f));
}

} // namespace

const Detector cubic_overflow{
    {"cubic-overflow", "Cube inside a hand-written GELU",
     "The first forward overflow is in a product or power that a tanh reads within four operations; and whether "
     "gradients are NaN.",
     "One element names it; information while gradients are finite, because tanh(inf) = 1 is right.",
     "x = 41: x^3 = 68921 is infinite in fp16, the GELU is 41 and so is fp32's. x = 149: 3 x^2 = 66603 is infinite too "
     "and the gradient 0 * inf is NaN.",
     "The framework's fused GELU (fp32 inside), ReLU, or bf16."},
    find};

} // namespace halfscope::analysis
