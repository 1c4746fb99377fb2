// gradient-norm-overflow: the norm that clipping divides by is infinite, and every gradient becomes zero.
//
// What it looks for. clip_grad_norm_ computes one norm over all gradients in their own format. In fp16 it is infinite
// beyond 65504 although no gradient is (hazard G10): 1 / inf = 0, each gradient is multiplied by zero, and the run
// stands still without an inf or a NaN in any weight.
//
// Which figures. Steps that were applied with a gradient norm that is infinite, while clipping is on and no traced
// gradient of theirs is.
//
// Threshold. One applied step in ten, the share of lost steps from which an outcome counts as worse. Critical when the
// outcome is bad.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double one_in_ten = 0.1;

bool a_gradient_is_not_finite(const Evidence &e, std::int64_t step) {
    return std::any_of(e.ranges.tensors.begin(), e.ranges.tensors.end(), [step](const TensorHistory &tensor) {
        return tensor.info.backward && tensor.events_at(step) != 0;
    });
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const double clip = e.setting({"clip-norm", "clip_norm", "max_norm"}, 0.0);
    if (!(clip > 0)) return;
    std::int64_t applied = 0, lost = 0, first = -1;
    for (const trace::Step &step : e.run.steps) {
        if (step.skipped) continue;
        ++applied;
        if (!std::isinf(step.gradient_norm) || a_gradient_is_not_finite(e, step.step)) continue;
        ++lost;
        if (first < 0) first = step.step;
    }
    if (lost == 0 || static_cast<double>(lost) < one_in_ten * static_cast<double>(applied)) return;
    Finding f;
    f.detector = gradient_norm_overflow.info.id;
    f.severity = e.comparison.bad() ? Severity::critical : Severity::warning;
    f.first_step = first;
    f.weight = 91;
    f.evidence = fmt::format("In {} of {} applied steps, first at step {}, the norm of all gradients is infinite while "
                             "every gradient is finite.",
                             lost, applied, first);
    f.cause =
        fmt::format("The gradient norm overflows {}, and clipping to {} multiplies every gradient by {} / inf = 0.",
                    e.run.run.weight_format, figure(clip), figure(clip));
    f.remedy =
        "Compute the norm in fp32 (clip_grad_norm_ on fp32 gradients or masters), or make the loss smaller (a mean "
        "instead of a sum).";
    findings.push_back(std::move(f));
}

} // namespace

const Detector gradient_norm_overflow{
    {"gradient-norm-overflow", "Gradient norm overflow",
     "Applied steps with an infinite gradient norm, clipping switched on, and gradients that are all finite.",
     "One applied step in ten. Critical when the outcome is bad.",
     "256 gradients of 5000 each have a norm of 80000: infinite in fp16. clip / inf = 0, and the step is zero.",
     "The norm in fp32, or a smaller loss."},
    find};

} // namespace halfscope::analysis
