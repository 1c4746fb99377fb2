// product-overflow: a product of two results, or a power, passes the format's largest value.
//
// What it looks for. The first forward overflow is made by an elementwise product, quotient or power that no more
// special detector claims: gated feed-forward layers multiply two activations of a few hundred each (SwiGLU, GeGLU;
// hazard A02: Gemma), and squares overflow fp16 from |x| = 255.97.
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
    if (overflow_kind(e, findings) != OverflowKind::product) return;
    const TensorHistory &tensor = *e.origins.forward.tensor;
    const number::Format &format = format_named(tensor.info.format);
    Finding f = forward_overflow_finding(e, product_overflow);
    f.cause = fmt::format("`{}` in {} multiplies values whose product passes {}'s largest, {}; two factors of {} are "
                          "enough.",
                          tensor.info.operation, named(f.layer), format.name, figure(largest_finite(format)),
                          figure(std::sqrt(overflow_threshold(format))));
    f.remedy = fmt::format("Run {} in {}, or scale one factor down and fold the constant into the next weights.",
                           named(f.layer), wider_format(tensor.info.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector product_overflow{
    {"product-overflow", "Product overflow",
     "The first forward overflow is made by an elementwise product, quotient or power that is not part of a norm, a "
     "softmax's scores or a GELU.",
     "One element; critical only when the loss curve is bad and the updates are not fp32's.",
     "A gate of 300 times an up-projection of 250 is 75000: infinite in fp16. 256 * 256 = 65536 is infinite as well; "
     "255 * 256 = 65280 is not.",
     "The gated layer in bf16 or fp32, or one factor scaled down."},
    find};

} // namespace halfscope::analysis
