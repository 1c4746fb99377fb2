// forward-overflow: a forward result passes the format's largest value and is stored as infinity.
//
// What it looks for. The first step, and in it the first tensor in execution order, at which finite values became
// infinite in the forward pass while the fp32 twin's tensor stayed finite. fp16 ends at 65504, and three ordinary
// things pass it: feed-forward layers whose channels add up coherently (T5, hazard A01: 66246 in `wo`), residual
// streams that grow with depth (A03: residual-growth), and products of two activations (A02, A20: product-overflow).
// One infinity survives the residual addition and turns into NaN at the next normalisation (inf * rsqrt(inf)), so what
// a person sees is a NaN several layers later; the first overflow is the cause. Overflows that have a name of their own
// (overflow_kind.h) are left to it.
//
// Why the twin is subtracted. Masks put -inf into attention scores on purpose; an infinity the twin has as well is not
// a fault of precision.
//
// Threshold. One element is enough to name it, because one is enough to destroy a run, and none is enough to condemn:
// tanh(inf) is 1 and softmax(-inf) is 0, exactly as intended (hazard A13's near-miss x = 41, T04 with a live token). So
// the finding is critical only when the loss curve is bad, a warning otherwise.
#include "analysis/detectors/overflow_kind.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (overflow_kind(e, findings) != OverflowKind::result) return;
    const TensorHistory &tensor = *e.origins.forward.tensor;
    const number::Format &format = format_named(tensor.info.format);
    Finding f = forward_overflow_finding(e, forward_overflow);
    f.cause = fmt::format("{} produces values beyond {}'s largest, {}.", named(tensor.info.layer), format.name,
                          figure(largest_finite(format)));
    if (e.comparison.fine()) f.cause += " The loss does not suffer: what follows maps infinity to the right value.";
    f.remedy =
        fmt::format("Run {} in {}, or keep its inputs smaller (normalise before it, scale its weights down, clamp "
                    "its output); no loss scale helps, the overflow is in the forward pass.",
                    named(tensor.info.layer), wider_format(tensor.info.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector forward_overflow{
    {"forward-overflow", "Forward overflow",
     "The first forward tensor, by step and execution order, in which finite values become infinite while the fp32 "
     "twin's "
     "stay finite.",
     "One element. One infinity can destroy a run (the next normalisation turns it into NaN), and none is proof of "
     "harm "
     "(tanh(inf) = 1), so it is critical only when the loss curve is bad.",
     "An activation of 20 * 256 channels at a mean of 16 sums to 81920. fp16 ends at 65504 and rounds to infinity from "
     "65520; bf16 stores 81920 exactly.",
     "Run the layer in bf16 or fp32, or keep its inputs smaller (normalisation, smaller initial weights, a clamp). A "
     "loss "
     "scale does not act on the forward pass."},
    find};

} // namespace halfscope::analysis
