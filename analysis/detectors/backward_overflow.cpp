// backward-only-overflow: gradients overflow while the forward pass is clean.
//
// What it looks for. Steps whose forward tensors are all finite and whose gradients are not. With a dynamic loss scale
// this is how the scale finds its place: the step is skipped, the scale halved, and nothing is wrong (hazard N03). It
// is a fault when such a step was APPLIED (no scaler watched, infinities reach the weights), when a static scale makes
// every such step be skipped, or when a dynamic scale never finds a place (then scale-collapse names it as well).
// Causes: a scale too high (G04), layers whose gradients span more than the format (G07), and gradients that overflow
// even unscaled (G09).
//
// Which remedy. From the loss-scale window: if the model's window reaches below the scale in use, a lower scale is
// enough; if its upper end is below 2^0, no useful scale fits and the layer needs bf16.
//
// Threshold. One applied non-finite step, or with a static scale one step in twenty skipped: a training run that throws
// away 5 % of its steps wants another scale. Critical when the outcome is bad.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double wasted_steps = 0.05;

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (!e.origins.backward) return;
    const bool applied = static_cast<bool>(e.origins.applied_backward);
    const double skipped =
        e.run.steps.empty() ? 0 : static_cast<double>(e.comparison.skipped) / static_cast<double>(e.run.steps.size());
    if (!applied && (e.dynamic_scale() || skipped < wasted_steps)) return;
    // A NaN made by arithmetic is nan-source's.
    const NonFinite &origin = applied ? e.origins.applied_backward : e.origins.backward;
    if (!origin.overflowed() && (origin.events & nan_event)) return;
    const TensorHistory &tensor = *origin.tensor;
    double scale = 1;
    for (const trace::Step &step : e.run.steps)
        if (step.step == origin.step) scale = step.loss_scale;
    const number::Format &format = format_named(tensor.info.format);
    Finding f;
    f.detector = backward_overflow.info.id;
    f.severity = e.severity_if_bad(Severity::warning);
    f.layer = tensor.info.layer;
    f.tensor = tensor.info.name;
    f.first_step = origin.step;
    f.weight = 75;
    f.evidence =
        fmt::format("The gradient {} overflows {} at step {} with loss scale {} while the forward pass is finite; "
                    "gradients are not finite in {} of {} traced steps, {} of {} steps were skipped.",
                    named(tensor.info.name), format.name, origin.step, figure(scale), e.origins.backward_steps,
                    e.origins.traced_steps, e.comparison.skipped, e.run.steps.size());
    const ScaleWindow &w = e.windows.model;
    const bool lower_helps = w.high_layer.empty() ? scale > 1 : std::ldexp(1.0, w.high) < scale;
    if (lower_helps && w.high >= 0) {
        f.cause = fmt::format("The loss scale {} lifts the gradients of {} above {}'s largest value, {}.",
                              figure(scale), named(f.layer), format.name, figure(largest_finite(format)));
        f.remedy = w.fits() ? fmt::format("Use dynamic loss scaling, or a static scale from 2^{} to 2^{}.",
                                          std::max(w.low, 0), w.high)
                            : e.windows.sentence + " Use bf16, or run one of the two layers in fp32.";
    } else {
        f.cause = fmt::format("The gradients of {} pass {}'s largest value, {}, {}.", named(f.layer), format.name,
                              figure(largest_finite(format)), scale > 1 ? "at any useful loss scale" : "even unscaled");
        f.remedy = fmt::format(
            "Run the backward pass of {} in {}, or make its gradients smaller (a mean loss instead of a sum, "
            "smaller weights behind it).",
            named(f.layer), wider_format(tensor.info.format));
    }
    findings.push_back(std::move(f));
}

} // namespace

const Detector backward_overflow{
    {"backward-only-overflow", "Backward-only overflow",
     "Steps whose forward pass is finite and whose gradients are not, where the step was applied all the same or a "
     "static "
     "scale keeps being too high. Skipped steps of a dynamic scale are its normal work.",
     "One applied step, or 5 % of the steps skipped under a static scale. Critical when the loss curve is bad.",
     "Static scale 65536 and a gradient of 1.5: 98304 is infinite in fp16, every step is skipped and nothing is "
     "learnt.",
     "A lower or dynamic loss scale within the window of the report; where no scale fits, bf16."},
    find};

} // namespace halfscope::analysis
