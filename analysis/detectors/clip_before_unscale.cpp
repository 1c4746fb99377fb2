// clip-before-unscale: gradients are clipped while they still carry the loss scale.
//
// What it looks for. Clipping to norm c before the gradients are divided by the loss scale S clips them to c / S: every
// step is shortened to next to nothing, whatever its gradient (hazard G11; PyTorch asks for scaler.unscale_ before
// clip_grad_norm_). Shown by the gradient norms: with a scale above 1, the unscaled norm of nearly every applied step
// is c / S exactly, where the twin's norms are larger and vary.
//
// Threshold. Nine applied steps in ten whose norm times S is c within 1 % (the clipped gradients are rounded to 16
// bits, 2^-9 each), and a scale above 1. The setting clip-before-unscaling, where the trace has it, is quoted and not
// needed. Critical when the outcome is bad and fidelity does not contradict: Adam divides the length out again and
// hardly notices.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double nearly_all = 0.9;
constexpr double rounding_of_a_norm = 0.01;

void find(const Evidence &e, std::vector<Finding> &findings) {
    const double clip = e.setting({"clip-norm", "clip_norm", "max_norm"}, 0.0);
    if (!(clip > 0)) return;
    std::int64_t applied = 0, clipped = 0, first = -1;
    double largest_scale = 1;
    for (const trace::Step &step : e.run.steps) {
        if (step.skipped || !(step.gradient_norm > 0) || !std::isfinite(step.gradient_norm)) continue;
        ++applied;
        if (step.loss_scale <= 1 || std::abs(step.gradient_norm * step.loss_scale / clip - 1) > rounding_of_a_norm)
            continue;
        ++clipped;
        largest_scale = std::max(largest_scale, step.loss_scale);
        if (first < 0) first = step.step;
    }
    if (clipped == 0 || static_cast<double>(clipped) < nearly_all * static_cast<double>(applied)) return;
    Finding f;
    f.detector = clip_before_unscale.info.id;
    f.severity = e.severity_if_bad(Severity::warning);
    f.first_step = first;
    f.weight = 88;
    f.evidence = fmt::format("In {} of {} applied steps the unscaled gradient norm is {} divided by the loss scale "
                             "({} at scale {}).",
                             clipped, applied, figure(clip), figure(clip / largest_scale), figure(largest_scale));
    if (e.fidelity.late.known())
        f.evidence += fmt::format(" The update is {} of fp32's.", percent(e.fidelity.late.norm_ratio));
    f.cause =
        fmt::format("Gradients are clipped to {} while they still carry the loss scale: unscaled, no step is longer "
                    "than {}.",
                    figure(clip), figure(clip / largest_scale));
    f.remedy = "Unscale before clipping (scaler.unscale_(optimizer), then clip_grad_norm_).";
    findings.push_back(std::move(f));
}

} // namespace

const Detector clip_before_unscale{
    {"clip-before-unscale", "Clipping before unscaling",
     "Unscaled gradient norms that equal the clipping norm divided by the loss scale in nearly every applied step.",
     "Nine applied steps in ten, within 1 %, with a scale above 1; critical when the outcome is bad and the updates "
     "are "
     "not fp32's (Adam divides the length out again).",
     "Clip norm 1, loss scale 65536: a gradient of norm 0.5 carries 32768, is clipped to 1 and unscaled to 1.5e-5: the "
     "step is 32768 times too short.",
     "scaler.unscale_(optimizer) before clip_grad_norm_."},
    find};

} // namespace halfscope::analysis
