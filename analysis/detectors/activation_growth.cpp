// activation-growth: a forward tensor's maximum grows towards the end of the format.
//
// What it looks for. Evidence 4, the weakest: nothing has happened yet. The logarithm of amax is extrapolated
// (statistics/trend.h): when even the slow end of the 95 % interval meets the format's largest value within as many
// steps again as the run has had, the run is about to overflow (hazards A03, T03: residual streams and attention logits
// that grow for thousands of steps).
//
// Threshold. At most one run length ahead: further than that a straight line is no forecast. The whole interval must
// lie there, so that neither a wobble near the limit nor a noisy series is a trend; growth that is dying down is not
// one (trend.h); and at least a quarter of a binade of growth in the fitted half, so that the figures of an almost
// still series are not read as a movement. Growth that the twin shows as well still overflows here alone.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/trend.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double growth_in_binades = 0.25;

struct Forecast {
    const TensorHistory *tensor = nullptr;
    Trend trend;
    Crossing limit;
};

std::optional<Forecast> forecast(const TensorHistory &tensor) {
    const number::Format &format = format_named(tensor.info.format);
    const TensorSummary &s = tensor.summary;
    if (tensor.info.backward || tensor.info.role != "activation" || !is_reduced(format) || s.steps.empty()) return {};
    std::vector<double> log2_amax;
    for (const float amax : s.amax_by_step) log2_amax.push_back(std::log2(double{amax})); // -inf of 0 is left out
    const auto trend = fit_trend(s.steps, log2_amax);
    if (!trend || !trend->rises()) return {};
    const auto run_length = static_cast<double>(s.steps.back() - s.steps.front() + 1);
    if (trend->per_step * run_length / 2 < growth_in_binades) return {};
    const auto limit = crossing(*trend, std::log2(largest_finite(format)), trend->last_step + run_length);
    if (!limit) return {};
    return Forecast{&tensor, *trend, *limit};
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (e.origins.forward) return; // it has happened already
    std::optional<Forecast> soonest;
    for (const TensorHistory &tensor : e.ranges.tensors)
        if (const auto next = forecast(tensor); next && (!soonest || next->limit.likeliest < soonest->limit.likeliest))
            soonest = next;
    if (!soonest) return;
    const TensorHistory &tensor = *soonest->tensor;
    const number::Format &format = format_named(tensor.info.format);
    Finding f;
    f.detector = activation_growth.info.id;
    f.severity = Severity::warning;
    f.layer = tensor.info.layer;
    f.tensor = tensor.info.name;
    f.first_step = tensor.summary.steps.back();
    f.weight = 30;
    f.evidence =
        fmt::format("The largest value of {} has reached {} and doubles every {} steps; at that pace it passes {}'s {} "
                    "at about step {:.0f} (95 % interval: {:.0f} to {:.0f}).",
                    named(f.tensor), figure(double{tensor.summary.amax_by_step.back()}),
                    figure(1.0 / soonest->trend.per_step), format.name, figure(largest_finite(format)),
                    soonest->limit.likeliest, soonest->limit.earliest, soonest->limit.latest);
    f.cause = fmt::format("The activations of {} grow from step to step towards the end of {}'s range.", named(f.layer),
                          format.name);
    f.remedy =
        fmt::format("Run {} in {}, or hold the growth (normalisation, weight decay, a z-loss on logits); profile more "
                    "steps to see whether it goes on.",
                    named(f.layer), wider_format(tensor.info.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector activation_growth{
    {"activation-growth", "Activations growing towards overflow",
     "A line through log2 amax of each forward tensor over the second half of the steps, and when it meets the "
     "format's end, with the 95 % interval that the scatter of the steps allows.",
     "Even the late end of the interval lies within one more run length; the growth is not dying down; at least a "
     "quarter of a binade of it in the fitted half. The weakest evidence: it makes a run risky, never unsafe.",
     "amax 12000 at step 1000, doubling every 400 steps: 65504 is 2.4 doublings away, step 1980. With a scatter of 5 % "
     "a step about the line through 50 traced steps the interval is steps 1890 to 2070 or so.",
     "Run the layer in bf16 or fp32, or hold the growth by normalisation; profile more steps."},
    find};

} // namespace halfscope::analysis
