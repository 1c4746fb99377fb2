// attention-logits: scores overflow on their way to a softmax.
//
// What it looks for. The first forward overflow is in scores: a matrix product of queries and keys, or its scaling,
// with a softmax within four operations. q . k sums as many products as the head is wide before it is divided by the
// root of that width, so it is the largest number in an attention layer (hazard T01), and it grows as training goes on
// when nothing holds it (T03). One +inf makes its row NaN: inf - inf.
//
// Threshold. One element names it; critical when the loss curve is bad and fidelity does not contradict. Growth that
// has not arrived yet is activation-growth's.
#include "analysis/detectors/overflow_kind.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (overflow_kind(e, findings) != OverflowKind::logits) return;
    const TensorHistory &tensor = *e.origins.forward.tensor;
    Finding f = forward_overflow_finding(e, attention_logits);
    f.weight = 91;
    f.cause = fmt::format("The scores of {} pass {}'s largest value, {}, before their softmax can normalise them.",
                          named(f.layer), tensor.info.format, figure(largest_finite(format_named(tensor.info.format))));
    f.remedy = fmt::format("Divide queries by the root of the head's width before the product instead of after it, "
                           "normalise queries and keys, use a fused attention with fp32 scores, or run {} in {}.",
                           named(f.layer), wider_format(tensor.info.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector attention_logits{
    {"attention-logits", "Attention logits out of range",
     "The first forward overflow is in a product or scaling whose result a softmax reads within four operations.",
     "One element; critical only when the loss curve is bad and the updates are not fp32's. A single +inf makes its "
     "row NaN.",
     "Head width 128, entries of q and k of size 25: a coherent row sums to 128 * 625 = 80000, infinite in fp16. "
     "Dividing q by sqrt(128) first leaves 7071.",
     "Scale queries before the product, normalise queries and keys, fused attention with fp32 scores, or bf16."},
    find};

} // namespace halfscope::analysis
