// running-statistics: batch norms' running mean and variance, kept in 16 bits, stop short of what they should follow.
//
// What it looks for. r = (1 - momentum) r + momentum * batch moves by momentum times the distance. With momentum 0.1
// bf16 (steps of 1/256 to 1/128 of r) stops within 2 to 4 % of the target, with 0.01 within 20 to 40 %. A mean of 20
// deviations that is 4 % off shifts every activation by 0.8 of a deviation; a variance stuck at a third stretches them
// by 1.7; one beyond 65504 is infinite in fp16, and its channel is silent (hazard U12). Training does not see any of
// it, because it normalises by the batch: only evaluation does.
//
// Which figures. The loss in evaluation mode beside the fp32 twin's and beside that with the running statistics that
// the same run would have left in fp32 (compare/finished_model.h). Which layers: trace::Drift, "running_statistics":
// the mean's error in deviations, the variance's in parts.
//
// Threshold. The loss: an excess of 5 % over both is a warning, of 10 % critical. Statistics off by a tenth
// without showing in the loss are information.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/drift_history.h"
#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double a_tenth = 0.1;

void find(const Evidence &e, std::vector<Finding> &findings) {
    const std::vector<DriftHistory> statistics = drifts_of(e.run, "running_statistics");
    const std::optional<FinishedLoss> &loss = e.finished.statistics;
    if (statistics.empty()) return;
    const auto worst = std::max_element(statistics.begin(), statistics.end(), [](const auto &a, const auto &b) {
        return a.last().distance < b.last().distance;
    });
    const bool visible = loss && loss->visibly_worse();
    if (worst->last().distance < a_tenth && !visible) return;
    const number::Format &format = format_named(worst->format);
    Finding f;
    f.detector = running_statistics.info.id;
    f.severity = loss && loss->bad() ? Severity::critical : visible ? Severity::warning : Severity::info;
    f.layer = worst->layer;
    f.tensor = worst->name;
    for (const trace::Drift *sample : worst->samples)
        if (sample->distance >= a_tenth && f.first_step < 0) f.first_step = sample->step;
    f.weight = 77;
    f.evidence = fmt::format("After {} batches {} in {} is off by {} of {} from what the same batches make in fp32.",
                             worst->last().terms, named(worst->name), worst->format, percent(worst->last().distance),
                             worst->name.ends_with("mean") ? "a standard deviation" : "itself");
    if (loss) f.evidence += fmt::format(" In evaluation mode the loss is {}.", loss->in_words("running statistics"));
    f.cause = fmt::format("Running statistics in {} cannot move by less than {} of themselves, and stop short of the "
                          "batches they average; training normalises by the batch and does not notice.",
                          format.name, percent(std::ldexp(1.0, -format.precision)));
    f.remedy = visible ? "Keep running statistics in fp32 (running-statistics = \"fp32\"), or estimate them anew in "
                         "fp32 after training."
                       : "None needed: the loss in evaluation mode does not show it.";
    findings.push_back(std::move(f));
}

} // namespace

const Detector running_statistics{
    {"running-statistics", "Running statistics in 16 bits",
     "Batch norms whose running mean and variance are kept in 16 bits, beside those that the same batches make in "
     "fp32, "
     "and the loss in evaluation mode with either.",
     "The loss in evaluation mode is 5 % (warning) or 10 % (critical) above the fp32 twin's and above that with "
     "statistics kept in fp32.",
     "momentum 0.1 in bf16: a running mean of 98 beside batches of 100 should move by 0.2, and the neighbour of 98 is "
     "98.5: it stays. With a standard deviation of 1 every activation is two deviations off in evaluation.",
     "Running statistics in fp32 (frameworks keep them so when only weights are cast); or recalibration after "
     "training."},
    find};

} // namespace halfscope::analysis
