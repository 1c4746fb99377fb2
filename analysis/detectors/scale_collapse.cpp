// scale-collapse: the dynamic loss scale falls and falls, and steps are skipped all the same.
//
// What it looks for. A dynamic scale halves whenever a gradient is not finite. That cures overflow which grows with the
// scale. Where the infinity does not depend on the scale, because the forward pass makes it, halving cures nothing:
// every step is skipped, the scale goes to 1e-205 (apex #318) or to its minimum (DeepSpeed then exits), the weights
// never change and the loss stands still without a NaN (hazard G05).
//
// Told apart from warm-up (N03): a scale that starts too high skips a handful of steps, then runs clean, and later
// skips once in a while after growing. Collapse means skipping goes on although the scale has come down to where it
// must fit:
//   * the run ends in skipped steps (three or more) with the scale at or below 1, or with a forward pass that is not
//   finite;
//   * or at least half of the second half is skipped although the scale is within the window computed from the
//   gradients.
// A short run that ends before its scale has come down to the window is neither: it is too short to judge.
//
// Threshold. Three steps: halvings by chance (a growth and its undoing) come alone or in pairs. Scale 1: below it loss
// scaling has lost its purpose, and the common implementations stop there. Critical when few or no steps are applied.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr std::int64_t skips_in_a_row = 3;

void find(const Evidence &e, std::vector<Finding> &findings) {
    const auto &steps = e.run.steps;
    if (!e.dynamic_scale() || steps.empty()) return;
    std::int64_t tail = 0;
    for (auto at = steps.rbegin(); at != steps.rend() && at->skipped; ++at) ++tail;
    std::int64_t late_skips = 0;
    const std::size_t half = steps.size() / 2;
    for (std::size_t i = half; i < steps.size(); ++i) late_skips += steps[i].skipped ? 1 : 0;
    const double final_scale = steps.back().loss_scale_after;
    const NonFinite &forward = e.origins.forward;
    const bool forward_to_blame =
        forward && forward.step <= steps.back().step && e.origins.forward_steps >= skips_in_a_row;
    const bool ends_skipping = tail >= skips_in_a_row && (final_scale <= 1.0 || forward_to_blame);
    const bool scale_fits = !e.windows.model.high_layer.empty() && e.windows.model.fits() &&
                            steps[half].loss_scale <= std::ldexp(1.0, e.windows.model.high);
    const bool keeps_skipping =
        2 * late_skips >= static_cast<std::int64_t>(steps.size() - half) && late_skips >= skips_in_a_row && scale_fits;
    if (!ends_skipping && !keeps_skipping) return;

    std::int64_t first_of_tail = steps.back().step;
    for (auto at = steps.rbegin(); at != steps.rend() && at->skipped; ++at) first_of_tail = at->step;
    Finding f;
    f.detector = scale_collapse.info.id;
    const bool little_applied = 2 * e.comparison.applied < e.comparison.steps;
    f.severity = e.comparison.bad() || little_applied ? Severity::critical : Severity::warning;
    f.first_step = ends_skipping ? first_of_tail : steps[half].step;
    f.weight = 60;
    f.evidence =
        fmt::format("{} of {} steps are skipped, the last {} in a row; the loss scale falls from {} to {}.",
                    e.comparison.skipped, steps.size(), tail, figure(steps.front().loss_scale), figure(final_scale));
    if (forward_to_blame) {
        f.layer = forward.tensor->info.layer;
        f.tensor = forward.tensor->info.name;
        f.cause = fmt::format(
            "The infinity is made in the forward pass, by {}, where the loss scale has no effect: halving it "
            "cures nothing.",
            named(f.layer));
        f.remedy = fmt::format("Cure the overflow in {} (see forward-overflow, nan-source); no loss scale can.",
                               named(f.layer));
    } else {
        if (e.origins.backward) {
            f.layer = e.origins.backward.tensor->info.layer;
            f.tensor = e.origins.backward.tensor->info.name;
        }
        f.cause =
            fmt::format("Gradients of {} stay infinite or NaN however small the loss scale becomes, so no step is ever "
                        "applied.",
                        named(f.layer));
        f.remedy =
            fmt::format("Run the backward pass of {} in bf16 or fp32; a lower scale does not help.", named(f.layer));
    }
    findings.push_back(std::move(f));
}

} // namespace

const Detector scale_collapse{
    {"scale-collapse", "Loss-scale collapse",
     "A dynamic loss scale that keeps halving and keeps skipping after it has come down to where the gradients fit.",
     "The run ends in three or more skipped steps with a scale of at most 1 or a non-finite forward pass; or half of "
     "the second "
     "half is skipped with a scale inside the window. Skips while a scale comes down from its start are warm-up.",
     "An activation is infinite in the forward pass: after 40 steps the scale is 65536 / 2^40 = 6e-8, the parameters "
     "are bit "
     "for bit those of the start, and no NaN has been seen.",
     "Cure the overflow that does not depend on the scale, usually in the forward pass."},
    find};

} // namespace halfscope::analysis
