// coarse-logits: the scores a softmax reads are rounded by more than it can bear.
//
// What it looks for. A softmax depends on differences of its scores. Scores that are large in common keep few bits for
// their differences: at 2000 neighbouring values are 8 apart in bf16 and 1 in fp16 (hazards T10, T02, T13). Every score
// is then off by up to half of that, and each probability by its exponential: 0.25 is off by up to 28 %, 4 by a factor
// of 55. Cross-entropy's gradient is made of those probabilities.
//
// Which tensors. 16-bit forward results with a softmax or log_softmax within four operations, masks aside, and their
// measured rounding error.
//
// Threshold. A root mean square rounding error of 0.1: probabilities are then off by a tenth each. Critical when the
// outcome is bad; errors that scatter evenly can also average out, which the outcome shows.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/forward_neighbours.h"
#include "analysis/statistics/wording.h"
#include "emulation/number/ulp.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double a_tenth = 0.1;

bool feeds_softmax(const RunRanges &ranges, const TensorHistory &tensor) {
    return next_forward(ranges, tensor, "softmax") || next_forward(ranges, tensor, "log_softmax");
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const TensorHistory *worst = nullptr;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.backward || tensor.info.role != "activation" || tensor.info.operation == "scale") continue;
        if (!is_reduced(format_named(tensor.info.format)) || !(tensor.summary.mse >= a_tenth * a_tenth)) continue;
        if (!feeds_softmax(e.ranges, tensor) || is_masked_score(e.ranges, tensor)) continue;
        if (!worst || tensor.summary.mse > worst->summary.mse) worst = &tensor;
    }
    if (!worst) return;
    const number::Format &format = format_named(worst->info.format);
    const double amax = double{worst->summary.total.amax};
    Finding f = finding_at(coarse_logits, e.severity_if_bad(Severity::warning), *worst,
                           worst->summary.steps.empty() ? -1 : worst->summary.steps.front(), 83);
    f.evidence =
        fmt::format("{} reaches {}, where {} has a spacing of {}; the root mean square rounding error is {}, and "
                    "each probability is off by as much.",
                    named(f.tensor), figure(amax), format.name, figure(number::ulp_at(format, amax)),
                    figure(std::sqrt(worst->summary.mse)));
    f.cause = fmt::format("The scores of {} are so large in {} that their differences, all a softmax sees, are rounded "
                          "away.",
                          named(f.layer), format.name);
    f.remedy =
        fmt::format("Compute {} in fp32, or keep the scores small (subtract what they share, a z-loss, normalised "
                    "queries and keys).",
                    named(f.layer));
    findings.push_back(std::move(f));
}

} // namespace

const Detector coarse_logits{
    {"coarse-logits", "Scores too coarse for their softmax",
     "16-bit scores on their way to a softmax or a cross-entropy, and their measured rounding error.",
     "A root mean square rounding error of 0.1, which puts every probability off by a tenth. Critical when the outcome "
     "is "
     "bad.",
     "Logits near 2000 in bf16 are multiples of 8: a class whose logit is 3 above the others may come out 8 above them "
     "or "
     "level with them.",
     "Scores in fp32, or smaller ones."},
    find};

} // namespace halfscope::analysis
