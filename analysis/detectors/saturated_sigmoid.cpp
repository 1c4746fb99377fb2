// saturated-sigmoid: a probability is exactly 1 (or 0), and the loss takes the logarithm of what is left.
//
// What it looks for. log(1 - p) or log(p) that is -inf, where a sigmoid or softmax within the operations before it has
// made p. In 16 bits 1 - p is zero long before it is in fp32: sigmoid(z) is exactly 1 from z = 8.32 in fp16 and 6.24 in
// bf16, in fp32 from 16.6 (hazard T06). The fused losses (binary cross-entropy with logits, cross-entropy) never form
// 1 - p.
//
// Which tensors. The first forward tensor that is not finite while the twin's is, made by a logarithm; a sigmoid or
// softmax at most eight operations before; no clamp between them (that is clamp-rounds-to-one's).
//
// Threshold. One element: an infinite loss costs the step, and without a scaler the weights. Critical when the outcome
// is bad.
#include "analysis/detectors/arithmetic_origin.h"

#include "analysis/statistics/forward_neighbours.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

constexpr std::int64_t reach = 2 * near_operations;

void find(const Evidence &e, std::vector<Finding> &findings) {
    const NonFinite *origin = arithmetic_origin(e);
    if (!origin || origin->tensor->info.operation != "logarithm") return;
    const TensorHistory *probability = previous_forward(e.ranges, *origin->tensor, "sigmoid", reach);
    if (!probability) probability = previous_forward(e.ranges, *origin->tensor, "softmax", reach);
    if (!probability || previous_forward(e.ranges, *origin->tensor, "clip", reach)) return;
    // A constant that should have kept it from zero is another cause.
    if (previous_forward(e.ranges, *origin->tensor, "shift", 1) &&
        !own_zeros_before(e, *previous_forward(e.ranges, *origin->tensor, "shift", 1), origin->step) &&
        probability->info.order + 1 != previous_forward(e.ranges, *origin->tensor, "shift", 1)->info.order)
        return;
    Finding f = arithmetic_finding(e, saturated_sigmoid, *origin);
    f.cause = fmt::format("{} rounds to exactly 0 or 1 in {}, and {} takes the logarithm of zero.",
                          named(probability->info.name), probability->info.format, named(f.layer));
    f.remedy =
        "Use the fused loss on the logits (binary_cross_entropy_with_logits, cross_entropy), or compute the loss "
        "from the sigmoid on in fp32.";
    findings.push_back(std::move(f));
}

} // namespace

const Detector saturated_sigmoid{{"saturated-sigmoid", "Saturated sigmoid under a logarithm",
                                  "A logarithm that is not finite while the fp32 twin's is, of what a sigmoid or "
                                  "softmax a few operations before has "
                                  "left.",
                                  "One element. Critical when the outcome is bad.",
                                  "sigmoid(9) = 0.99988 rounds to 1 in fp16 (from 8.32 on; in bf16 from 6.24): log(1 - "
                                  "p) is -inf where fp32 has -9.",
                                  "The fused loss on logits, or the loss in fp32."},
                                 find};

} // namespace halfscope::analysis
