// mask-constant: a large negative constant for masked scores does not fit the format.
//
// What it looks for. Scores with a constant such as -1e9 or finfo.min written over, or added to, some of them, which
// fp16 stores as -inf (-1e9 is past -65504; -65504 plus a score below -16 is as well). softmax(-inf) is 0, which is
// what a mask means, so that alone is harmless (hazard T04, near-miss N04). It is fatal in a row that is masked
// throughout: every entry is -inf, and -inf - (-inf) is NaN; with -1e9 in fp32 that row is uniform.
//
// Which tensors. Forward results of `where`, `add` or `subtract` that overflow, whose sum is dominated by negative
// values, with a softmax within four operations; and whether that softmax holds NaN where the fp32 twin's does not.
//
// Threshold. One NaN in the softmax. Without it the finding is information only.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/forward_neighbours.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

/// First step at which the softmax behind it holds NaN that the twin's does not; -1: never.
std::int64_t first_nan(const Evidence &e, const TensorHistory &scores) {
    const TensorHistory *softmax = next_forward(e.ranges, scores, "softmax");
    if (!softmax) softmax = next_forward(e.ranges, scores, "log_softmax");
    for (const std::int64_t step : softmax->summary.steps)
        if (own_events(*softmax, e.twin, step) & nan_event) return step;
    return -1;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const TensorHistory *first = nullptr;
    std::int64_t nan_at = -1;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.backward || tensor.summary.total.overflows == 0 || !is_masked_score(e.ranges, tensor)) continue;
        const std::int64_t step = first_nan(e, tensor);
        if (first && (step < 0 || nan_at >= 0)) continue;
        first = &tensor;
        nan_at = step;
    }
    if (!first) return;
    const number::Format &format = format_named(first->info.format);
    Finding f;
    f.detector = mask_constant.info.id;
    f.severity = nan_at < 0 ? Severity::info : e.severity_if_bad(Severity::warning);
    f.layer = first->info.layer;
    f.tensor = first->info.name;
    f.first_step = nan_at < 0 && !first->summary.steps.empty() ? first->summary.steps.front() : nan_at;
    f.weight = 93;
    f.evidence = fmt::format("{} of {} values of {} are masked with a constant of magnitude {} and become -inf in {}, "
                             "which ends at {}{}.",
                             first->summary.total.overflows, first->summary.total.count, named(f.tensor),
                             figure(double{first->summary.total.amax}), format.name, figure(largest_finite(format)),
                             nan_at < 0 ? "; the softmax behind them is finite"
                                        : fmt::format("; from step {} on the softmax behind them holds NaN", nan_at));
    if (nan_at < 0) {
        f.cause = "A masked score of -inf has the weight 0 it is meant to have: every row has a live entry.";
        f.remedy = "None needed while every row keeps a live entry.";
    } else {
        f.cause = fmt::format("Rows of {} that are masked throughout are -inf throughout in {}, and their softmax is "
                              "NaN.",
                              named(f.layer), format.name);
        f.remedy = fmt::format("Keep one live entry in every row (or zero the rows after the softmax), use a mask "
                               "constant that {} can hold with room to spare (-1e4), or run the scores in {}.",
                               format.name, wider_format(first->info.format));
    }
    findings.push_back(std::move(f));
}

} // namespace

const Detector mask_constant{
    {"mask-constant", "Mask constant beyond the format",
     "Scores masked with a large negative constant that overflows to -inf, and a softmax behind them that holds NaN "
     "where the fp32 twin's does not.",
     "One NaN. An overflowing mask whose softmax is finite is information only: softmax(-inf) = 0 is what a mask "
     "means. Only a row that is masked throughout becomes NaN.",
     "Two tokens, both masked with -65504, scores of -20: both sums are past -65520 and become -inf in fp16; exp(-inf "
     "- -inf) is NaN. With one live token of score 2 the row is [1, 0], as meant. In bf16 -1e9 is finite.",
     "A live entry in every row, or a constant the format can hold with room to spare (-1e4), or the scores in bf16 or "
     "fp32."},
    find};

} // namespace halfscope::analysis
