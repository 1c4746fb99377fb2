// forward-overflow: a forward result passes the format's largest value and is stored as infinity.
//
// What it looks for. The first step, and in it the first tensor in execution order, at which finite values became
// infinite in the forward pass while the fp32 twin's tensor stayed finite. fp16 ends at 65504, and three ordinary
// things pass it: feed-forward layers whose channels add up coherently (T5, hazard A01: 66246 in `wo`), residual
// streams that grow with depth (A03), and products of two activations (A02, A20). One infinity survives the residual
// addition and turns into NaN at the next normalisation (inf * rsqrt(inf)), so what a person sees is a NaN several
// layers later; the first overflow is the cause.
//
// Why the twin is subtracted. Masks put -inf into attention scores on purpose; an infinity the twin has as well is not
// a fault of precision.
//
// Threshold. One element is enough to name it, because one is enough to destroy a run, and none is enough to condemn:
// tanh(inf) is 1 and softmax(-inf) is 0, exactly as intended (hazard A13's near-miss x = 41, T04 with a live token). So
// the finding is critical only when the loss curve is bad, a warning otherwise.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

/// Other layers whose forward tensors overflow on their own at some step.
std::vector<std::string> overflowing_layers(const Evidence &e, const TensorHistory &first) {
    std::vector<std::string> layers;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.backward || tensor.summary.total.overflows == 0 || tensor.info.layer == first.info.layer)
            continue;
        for (const std::int64_t step : tensor.summary.steps)
            if (own_events(tensor, e.twin, step) & overflow_event) {
                if (std::find(layers.begin(), layers.end(), tensor.info.layer) == layers.end())
                    layers.push_back(tensor.info.layer);
                break;
            }
    }
    return layers;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const NonFinite &origin = e.origins.forward;
    if (!origin || !origin.overflowed()) return;
    const TensorHistory &tensor = *origin.tensor;
    const number::Format &format = format_named(tensor.info.format);
    Finding f;
    f.detector = forward_overflow.info.id;
    f.severity = e.severity_if_bad(Severity::warning);
    f.layer = tensor.info.layer;
    f.tensor = tensor.info.name;
    f.first_step = origin.step;
    f.weight = 90;
    f.evidence =
        fmt::format("{} of {} values of {} become infinite when stored in {} ({}; largest magnitude {}, {} ends at "
                    "{}); the forward pass is not finite in {} of {} traced steps, first at step {}.",
                    tensor.summary.total.overflows, tensor.summary.total.count, named(tensor.info.name),
                    tensor.info.format, tensor.info.operation, figure(double{tensor.summary.total.amax}), format.name,
                    figure(largest_finite(format)), e.origins.forward_steps, e.origins.traced_steps, origin.step);
    const auto others = overflowing_layers(e, tensor);
    if (!others.empty()) f.evidence += fmt::format(" It also overflows in {}.", name_list(others));
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
