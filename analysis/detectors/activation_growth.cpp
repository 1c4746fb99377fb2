// activation-growth: a forward tensor's maximum grows towards the end of the format.
//
// What it looks for. Evidence 4, the weakest: nothing has happened yet. The logarithm of amax over the steps of the
// second half is fitted by a line; the first steps, in which every network settles, are left out. When the line is
// steep enough, and tight enough, to meet the format's largest value within as many steps again as the run has had, the
// run is about to overflow (hazards A03, T03: residual streams and attention logits that grow for thousands of steps).
//
// Threshold. At most one run length ahead: further than that a straight line is no forecast. A correlation of at least
// 0.9 between step and log2 amax, at least 8 traced steps, and at least a quarter of a binade of growth in the fitted
// half, so that a wobble near the limit is not a trend. The twin's tensor must be able to hold it, which fp32 always
// is: growth that the twin shows as well still overflows here alone.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr std::size_t enough_steps = 8;
constexpr double tight = 0.9;
constexpr double growth_in_binades = 0.25;

struct Line {
    double slope = 0, at_end = 0, correlation = 0, span = 0;
};

/// Least squares of log2 amax against the step, over the second half.
Line fit(const TensorSummary &t) {
    const std::size_t first = t.steps.size() / 2;
    double n = 0, sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
    const auto origin = static_cast<double>(t.steps.back());
    for (std::size_t i = first; i < t.steps.size(); ++i) {
        if (!(t.amax_by_step[i] > 0)) continue;
        const double x = static_cast<double>(t.steps[i]) - origin;
        const double y = std::log2(double{t.amax_by_step[i]});
        n += 1, sx += x, sy += y, sxx += x * x, syy += y * y, sxy += x * y;
    }
    Line line;
    const double vx = n * sxx - sx * sx;
    const double vy = n * syy - sy * sy;
    if (n < static_cast<double>(enough_steps) || !(vx > 0) || !(vy > 0)) return line;
    line.slope = (n * sxy - sx * sy) / vx;
    line.at_end = (sy - line.slope * sx) / n;
    line.correlation = (n * sxy - sx * sy) / std::sqrt(vx * vy);
    line.span = origin - static_cast<double>(t.steps[first]);
    return line;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (e.origins.forward) return; // it has happened already
    const TensorHistory *soonest = nullptr;
    Line soonest_line;
    double soonest_steps = 0;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.backward || tensor.info.role != "activation") continue;
        const number::Format &format = format_named(tensor.info.format);
        if (!is_reduced(format) || tensor.summary.steps.size() < 2 * enough_steps) continue;
        const Line line = fit(tensor.summary);
        if (line.correlation < tight || line.slope * line.span < growth_in_binades) continue;
        const double steps_left = (std::log2(largest_finite(format)) - line.at_end) / line.slope;
        const auto run_length = static_cast<double>(tensor.summary.steps.back() - tensor.summary.steps.front() + 1);
        if (steps_left > run_length || (soonest && steps_left >= soonest_steps)) continue;
        soonest = &tensor;
        soonest_line = line;
        soonest_steps = steps_left;
    }
    if (!soonest) return;
    const number::Format &format = format_named(soonest->info.format);
    Finding f;
    f.detector = activation_growth.info.id;
    f.severity = Severity::warning;
    f.layer = soonest->info.layer;
    f.tensor = soonest->info.name;
    f.first_step = soonest->summary.steps.back();
    f.weight = 30;
    f.evidence = fmt::format(
        "The largest value of {} has reached {} and doubles every {} steps; at that pace it passes {}'s {} "
        "in about {} steps.",
        named(f.tensor), figure(double{soonest->summary.amax_by_step.back()}), figure(1.0 / soonest_line.slope),
        format.name, figure(largest_finite(format)), figure(std::max(0.0, soonest_steps)));
    f.cause = fmt::format("The activations of {} grow from step to step towards the end of {}'s range.", named(f.layer),
                          format.name);
    f.remedy =
        fmt::format("Run {} in {}, or hold the growth (normalisation, weight decay, a z-loss on logits); profile more "
                    "steps to see whether it goes on.",
                    named(f.layer), wider_format(soonest->info.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector activation_growth{
    {"activation-growth", "Activations growing towards overflow",
     "A line through log2 amax of each forward tensor over the second half of the steps, and when it meets the "
     "format's end.",
     "Within one more run length; correlation at least 0.9 over at least 8 traced steps; at least a quarter of a "
     "binade of "
     "growth. The weakest evidence: it makes a run risky, never unsafe.",
     "amax 12000 at step 1000, doubling every 400 steps: 65504 is 2.4 doublings away, step 1980.",
     "Run the layer in bf16 or fp32, or hold the growth by normalisation; profile more steps."},
    find};

} // namespace halfscope::analysis
