// scale-runaway: the dynamic loss scale doubles without end.
//
// What it looks for. A dynamic scale grows after every interval without an overflow. It stops by itself where gradients
// overflow; where they are zero, or unused, nothing ever overflows and it doubles until it is infinite itself: inf * 0
// is NaN (hazard G08; torch's scaler has no upper end, Apex stops at 2^24).
//
// Threshold. A final scale above 2^32, the largest that any common scaler starts from, with no step skipped in the
// second half and growth still going on in it. Critical once the scale is infinite or past 2^127, fp32's last power of
// two, with a bad outcome; else a warning with the step at which it gets there.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr int largest_start_log2 = 32;

void find(const Evidence &e, std::vector<Finding> &findings) {
    const auto &steps = e.run.steps;
    if (!e.dynamic_scale() || steps.size() < 2) return;
    const std::size_t half = steps.size() / 2;
    const double middle = steps[half].loss_scale, last = steps.back().loss_scale_after;
    for (std::size_t i = half; i < steps.size(); ++i)
        if (steps[i].skipped && std::isfinite(steps[i].loss_scale)) return;
    const bool beyond = !std::isfinite(last) || last >= std::ldexp(1.0, highest_scale_log2);
    if (!beyond && (last <= std::ldexp(1.0, largest_start_log2) || last <= middle)) return;
    Finding f;
    f.detector = scale_runaway.info.id;
    f.severity = beyond ? e.severity_if_bad(Severity::warning) : Severity::warning;
    for (const trace::Step &step : steps)
        if (f.first_step < 0 && !(step.loss_scale_after <= std::ldexp(1.0, largest_start_log2)))
            f.first_step = step.step;
    f.weight = 65;
    f.evidence = fmt::format("The loss scale rises from {} to {} in {} steps and no overflow stops it.",
                             figure(steps.front().loss_scale), figure(last), steps.size());
    if (!beyond && middle > 0) {
        const double rate = std::log2(last / middle) / static_cast<double>(steps.size() - half);
        f.evidence += fmt::format(" At that pace it is past fp32's range at about step {:.0f}.",
                                  static_cast<double>(steps.back().step) + (128 - std::log2(last)) / rate);
    }
    f.cause =
        "No gradient grows with the loss scale, so nothing ever tells the scaler to stop: they are zero, detached "
        "or underflow whatever the scale.";
    f.remedy =
        "Find out why the gradients are zero (frozen or unused layers, a loss that does not reach them), and set "
        "an upper end for the scale (2^24).";
    findings.push_back(std::move(f));
}

} // namespace

const Detector scale_runaway{
    {"scale-runaway", "Loss scale running away",
     "A dynamic loss scale above 2^32 that still grows in the second half of the run without a skipped step.",
     "2^32 is the largest scale that any common scaler starts from. Critical when the scale has become infinite and "
     "the "
     "loss curve is bad, else a warning.",
     "All gradients zero and an interval of 2000 steps: from 65536 the scale is 2^128, infinite in fp32, after 224000 "
     "steps, and inf * 0 is NaN.",
     "Find out why the gradients are zero; give the scale an upper end."},
    find};

} // namespace halfscope::analysis
