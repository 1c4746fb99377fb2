// exponential-overflow: exp or softplus written out by hand passes the format's largest value.
//
// What it looks for. The first forward overflow is made by an exponential. exp(x) is infinite in fp16 from x = 11.09
// and in bf16, as in fp32, from 88.7. Written-out softmax (exp(z) / sum exp(z)), log(1 + exp(x)), contrastive losses
// exp(s / 0.07) and exp(log-variance) meet 11.09 easily (hazard A14, A18); inf / inf is NaN, and the gradient of
// log(1 + exp(x)) becomes inf / inf too. Fused softmax subtracts the maximum first and never overflows.
//
// Threshold. One element names it; critical when the loss curve is bad and fidelity does not contradict.
#include "analysis/detectors/overflow_kind.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (overflow_kind(e, findings) != OverflowKind::exponential) return;
    const TensorHistory &tensor = *e.origins.forward.tensor;
    const number::Format &format = format_named(tensor.info.format);
    Finding f = forward_overflow_finding(e, exponential_overflow);
    f.cause = fmt::format("An exponential in {} is infinite in {} from an argument of {} on.", named(f.layer),
                          format.name, figure(std::log(overflow_threshold(format))));
    f.remedy = fmt::format("Use the fused form (softmax, logsumexp, softplus), which subtracts the maximum or switches "
                           "to the line, or compute {} in {}.",
                           named(f.layer), wider_format(tensor.info.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector exponential_overflow{
    {"exponential-overflow", "Exponential or softplus overflow",
     "The first forward overflow is made by exp or softplus.",
     "One element; critical only when the loss curve is bad and the updates are not fp32's.",
     "Logits [12, 0] and a softmax by hand: exp(12) = 162755 is infinite in fp16, inf / inf is NaN. A contrastive loss "
     "with temperature 0.07 computes exp(1 / 0.07) = 1.6e6. bf16 reaches 88.7.",
     "Fused softmax, logsumexp or softplus; clamp log-variances; or compute it in bf16 or fp32."},
    find};

} // namespace halfscope::analysis
