// stuck-ema: an average of the weights kept in 16 bits cannot follow them.
//
// What it looks for. An average a = a + (1 - decay) (w - a) with decay 0.999 moves by a thousandth of the distance to
// the weights, and bf16 keeps a number from changing by less than 1/512 to 1/256 of itself: an average within a factor
// of a few of its weights no longer moves, and stays where it began (hazard U05). The training loss does not see it;
// what is evaluated and shipped is the average.
//
// Which figures. The loss of the averaged weights beside the fp32 twin's average, and beside the same average kept in
// fp32 in the same run, which had the same weights to follow (compare/finished_model.h). Which weights: trace::Drift,
// "average": what the kept average retains of the way that the fp32 one went.
//
// Threshold. The loss of the average: an excess of 5 % over both is a warning, of 10 % critical. An average
// that retains less than 0.9 of its way without showing in the loss is information.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/drift_history.h"
#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

void find(const Evidence &e, std::vector<Finding> &findings) {
    const std::vector<DriftHistory> averages = drifts_of(e.run, "average");
    const std::optional<FinishedLoss> &loss = e.finished.average;
    if (averages.empty()) return;
    const auto worst = std::min_element(averages.begin(), averages.end(), [](const auto &a, const auto &b) {
        return a.last().retained < b.last().retained;
    });
    const bool visible = loss && loss->visibly_worse();
    if (worst->last().retained >= costly_retained && !visible) return;
    const number::Format &format = format_named(worst->format);
    const double decay = e.setting({"ema-decay"}, 0);
    Finding f;
    f.detector = stuck_ema.info.id;
    f.severity = loss && loss->bad() ? Severity::critical : visible ? Severity::warning : Severity::info;
    f.layer = worst->layer;
    f.tensor = worst->name;
    for (const trace::Drift *sample : worst->samples)
        if (sample->retained < costly_retained && f.first_step < 0) f.first_step = sample->step;
    f.weight = 78;
    f.evidence = fmt::format(
        "After {} updates the average of {} has gone {} of the way that it goes in fp32; {} of its "
        "elements have not moved at all.",
        worst->last().terms, named(worst->name), percent(worst->last().retained), percent(worst->last().stuck));
    if (loss) f.evidence += fmt::format(" The averaged model's loss is {}.", loss->in_words("the average"));
    f.cause = fmt::format(
        "An average that takes {} of the distance to the weights cannot move in {} while that is less "
        "than {} of its own size.",
        decay > 0 ? percent(1 - decay) : "a small part", format.name, percent(std::ldexp(1.0, -format.precision)));
    f.remedy = visible ? "Keep the average in fp32 (ema = \"fp32\"), or use a smaller decay."
                       : "None needed: the loss of the averaged model does not show it.";
    findings.push_back(std::move(f));
}

} // namespace

const Detector stuck_ema{
    {"stuck-ema", "Stuck average of weights",
     "An average of the weights kept in 16 bits, beside the same average kept in fp32 in the same run: its loss, and "
     "the "
     "way that each weight's average went.",
     "The averaged model's loss is 5 % (warning) or 10 % (critical) above the fp32 twin's average and above the same "
     "average kept in fp32.",
     "decay 0.999 in bf16: an average of 1.0 beside a weight of 3.0 should move by 0.002 to 1.002, which rounds back "
     "to "
     "1.0 (its upper neighbour is 1.0078). It never moves; in fp32 it is at 2.26 after 1000 steps.",
     "The average in fp32, whatever the weights are in."},
    find};

} // namespace halfscope::analysis
