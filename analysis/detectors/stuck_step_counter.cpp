// stuck-step-counter: Adam counts its steps in 16 bits, and its bias corrections stop with the counter.
//
// What it looks for. Whole numbers are exact up to 2^precision: 256 + 1 = 256 in bf16, 2048 + 1 = 2048 in fp16. The
// corrections 1 - beta^t then stay at t = 256 for good: with beta2 = 0.999 that is 0.226, and each step is
// sqrt(0.226) = 0.48 times as long as it should be (hazard U09). With beta2 = 0.99 it is 0.92, and with fp16's 2048 it
// is 0.87 (0.93 of the length), and nothing is wrong.
//
// Which figures. The counter beside the steps really taken (trace::Drift, "step_counter") and the betas: the length of
// the step at the counter's value over that at the true one is exact arithmetic.
//
// Threshold. Steps a tenth too short or too long. Critical when the outcome is bad.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/drift_history.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double a_tenth = 0.1;

/// Length of Adam's step for an average gradient, relative to the learning rate, as the corrections at t make it.
double length(double t, const std::pair<double, double> &betas) {
    return std::sqrt(1 - std::pow(betas.second, t)) / (1 - std::pow(betas.first, t));
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const std::vector<DriftHistory> counters = drifts_of(e.run, "step_counter");
    if (counters.empty()) return;
    const trace::Drift &last = counters.front().last();
    const auto steps = static_cast<double>(last.terms);
    const double counted = std::round(last.retained * steps);
    const auto betas = e.betas();
    const double ratio = length(counted, betas) / length(steps, betas);
    if (!(std::abs(ratio - 1) > a_tenth)) return;
    Finding f;
    f.detector = stuck_step_counter.info.id;
    f.severity = e.severity_if_bad(Severity::warning);
    f.weight = 94;
    for (const trace::Drift *sample : counters.front().samples)
        if (sample->retained < 1 && f.first_step < 0) f.first_step = sample->step;
    f.evidence = fmt::format("After {} steps the counter in {} stands at {}: 1 - beta2^t is {} instead of {}, and each "
                             "step is {} times as long as it should be.",
                             last.terms, last.format, figure(counted), figure(1 - std::pow(betas.second, counted)),
                             figure(1 - std::pow(betas.second, steps)), figure(ratio));
    f.cause = fmt::format("{} + 1 is {} in {}: the step counter stands still, and Adam's bias corrections with it.",
                          figure(counted), figure(counted), last.format);
    f.remedy = "Count steps in an integer or in fp32 (step-counter = \"fp32\").";
    findings.push_back(std::move(f));
}

} // namespace

const Detector stuck_step_counter{
    {"stuck-step-counter", "Stuck step counter",
     "Adam with a step counter in 16 bits that has stopped counting before its bias corrections reach 1.",
     "Exact, from the counter and the betas: steps a tenth too short or too long. Critical when the outcome is bad.",
     "In bf16 256 + 1 = 256. With beta2 = 0.999 the correction stays at 1 - 0.999^256 = 0.226, and steps at "
     "sqrt(0.226) "
     "= 0.48 of their length. With beta2 = 0.99 it is 0.92: harmless.",
     "An integer or fp32 step counter; a smaller beta2 hides it."},
    find};

} // namespace halfscope::analysis
