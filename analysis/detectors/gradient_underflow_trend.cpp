// gradient-underflow-trend: gradients shrink from step to step towards the end of the format.
//
// What it looks for. Gradients get smaller as training goes on, while a static loss scale, or none, stays where it is:
// what fits at the start is lost later (hazard G02). The size of each 16-bit gradient tensor, log2 of the root mean
// square of its non-zero elements with the scale divided out, is extrapolated over the steps (statistics/trend.h). Its
// margin is what is left between the scale in use and the smallest scale that keeps nine tenths of the tensor's squared
// norm, computed from the exponent histogram of the second half of the run.
//
// Why nine tenths of the squared norm. A gradient that keeps 0.9 of it buys 0.9 of the step: one step in ten lost, the
// figure from which an update counts as costly. The count of zeros does not matter (N02).
//
// Threshold. Even the late end of the 95 % interval lies within one more run length, the shrinking has been a quarter
// of a binade at least over the fitted half and is not dying down. A dynamic loss scale follows its gradients up and
// down; there is nothing to forecast. Where the norm is lost already, gradient-underflow says so.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/trend.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double drift_in_binades = 0.25;
constexpr double costly_share = 1 - costly_retained;

struct Forecast {
    const TensorHistory *tensor = nullptr;
    Trend trend;
    Crossing limit;
    double margin = 0; ///< binades at the last step
};

std::optional<Forecast> forecast(const TensorHistory &tensor, double scale_log2) {
    const number::Format &format = format_named(tensor.info.format);
    const TensorSummary &s = tensor.summary;
    if (tensor.info.role != "gradient" && tensor.info.role != "weight_gradient") return {};
    if (!is_reduced(format) || s.steps.empty() || total(tensor.unscaled_late) == 0) return {};
    const auto trend = fit_trend(s.steps, tensor.log2_rms_by_step);
    if (!trend || !trend->falls()) return {};
    const auto run_length = static_cast<double>(s.steps.back() - s.steps.front() + 1);
    if (-trend->per_step * run_length / 2 < drift_in_binades) return {};
    const double scale = tensor.info.scaled ? scale_log2 : 0;
    // The histogram of the second half stands for its middle step.
    const double middle = trend->value_at(trend->mean_step);
    const double margin_at_middle = scale - lowest_scale_keeping(tensor.unscaled_late, format, costly_share);
    const auto limit = crossing(*trend, middle - margin_at_middle, trend->last_step + run_length);
    const double margin = margin_at_middle - (middle - trend->at_end);
    if (!limit || margin <= 0) return {};
    return Forecast{&tensor, *trend, *limit, margin};
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (e.dynamic_scale() || e.run.steps.empty()) return;
    const double scale = e.run.steps.back().loss_scale;
    if (!(scale > 0) || !std::isfinite(scale)) return;
    std::optional<Forecast> soonest;
    for (const TensorHistory &tensor : e.ranges.tensors)
        if (const auto next = forecast(tensor, std::log2(scale));
            next && (!soonest || next->limit.likeliest < soonest->limit.likeliest))
            soonest = next;
    if (!soonest) return;
    const TensorHistory &tensor = *soonest->tensor;
    Finding f;
    f.detector = gradient_underflow_trend.info.id;
    f.severity = Severity::warning;
    f.layer = tensor.info.layer;
    f.tensor = tensor.info.name;
    f.first_step = tensor.summary.steps.back();
    f.weight = 28;
    f.evidence = fmt::format(
        "{} halves every {} steps and is {} binades above the size at which {} loses a tenth of its squared norm with "
        "loss scale {}; at that pace it gets there at about step {:.0f} (95 % interval: {:.0f} to {:.0f}).",
        named(f.tensor), figure(-1.0 / soonest->trend.per_step), figure(soonest->margin), tensor.info.format,
        figure(tensor.info.scaled ? scale : 1.0), soonest->limit.likeliest, soonest->limit.earliest,
        soonest->limit.latest);
    f.cause = fmt::format("The gradients of {} shrink as training goes on, and {} loss scale follows them.",
                          named(f.layer), scale == 1 ? "no" : "the static");
    f.remedy = "Use dynamic loss scaling, which follows the gradients, or a larger static scale within the window; or "
               "bf16.";
    findings.push_back(std::move(f));
}

} // namespace

const Detector gradient_underflow_trend{
    {"gradient-underflow-trend", "Gradients shrinking towards underflow",
     "A line through log2 of the root mean square of each 16-bit gradient over the second half of the steps, and when "
     "it has used up the margin between the (static) loss scale and the smallest scale that keeps nine tenths of the "
     "gradient's squared norm.",
     "Even the late end of the 95 % interval lies within one more run length, the shrinking is not dying down and made "
     "at least a quarter of a binade. Nine tenths, because what a step is worth goes with the squared norm: below, one "
     "step in ten is lost. It makes a run risky, never unsafe.",
     "At step 1000 a gradient of size 2^-20, stored unscaled in fp16 (which ends at 2^-25), halves every 150 steps: "
     "five halvings, 750 steps, are left; with a static scale of 1024 it would be 15.",
     "Dynamic loss scaling, or a larger static scale within the window; bf16."},
    find};

} // namespace halfscope::analysis
