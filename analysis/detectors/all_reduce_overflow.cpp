// all-reduce-overflow: gradients are finite on every rank, and their sum is not.
//
// What it looks for. The sum over R ranks is up to R times a rank's gradient, and fp16 ends at 65504: ranks that add
// first and divide afterwards overflow where each alone is far below (hazard G12). A dynamic loss scale comes down by
// log2 R and pays with underflow on every rank; a static one skips step after step. Sums of micro-batches can do the
// same where each is not divided beforehand.
//
// Which tensors. The first gradient tensor of a step that is not finite is one that `all_reduce` or
// `gradient_accumulation` made.
//
// Threshold. As for backward-only-overflow: one applied step, or one step in twenty skipped under a static scale; steps
// that a dynamic scale skips while it finds its place are its normal work. Critical when the outcome is bad.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

constexpr double wasted_steps = 0.05;

bool is_sum(const NonFinite &origin) {
    return origin && origin.overflowed() &&
           (origin.tensor->info.operation == "all_reduce" || origin.tensor->info.operation == "gradient_accumulation");
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const bool applied = is_sum(e.origins.applied_backward);
    const NonFinite &origin = applied ? e.origins.applied_backward : e.origins.backward;
    if (!is_sum(origin)) return;
    const double skipped =
        e.run.steps.empty() ? 0 : static_cast<double>(e.comparison.skipped) / static_cast<double>(e.run.steps.size());
    if (!applied && (e.dynamic_scale() || skipped < wasted_steps)) return;
    const trace::TensorInfo &tensor = origin.tensor->info;
    const number::Format &format = format_named(tensor.format);
    const bool ranks = tensor.operation == "all_reduce";
    const double terms = e.setting({ranks ? "ranks" : "accumulated-batches"}, 0);
    Finding f = finding_at(all_reduce_overflow, e.severity_if_bad(Severity::warning), *origin.tensor, origin.step, 90);
    f.evidence =
        fmt::format("The sum {} overflows {} at step {} while the gradients it adds are finite; {} of {} steps "
                    "were skipped.",
                    named(tensor.name), format.name, origin.step, e.comparison.skipped, e.run.steps.size());
    f.cause = fmt::format("Gradients of {} {} are added up in {} before they are divided, and their sum passes {}.",
                          terms > 0 ? figure(terms) : "several", ranks ? "ranks" : "micro-batches", format.name,
                          figure(largest_finite(format)));
    f.remedy = fmt::format("Reduce in {} (all-reduce = \"{}\"), divide before the sum (all-reduce-order = "
                           "\"divide-first\"), or use a loss scale lower by that factor.",
                           wider_format(tensor.format), wider_format(tensor.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector all_reduce_overflow{
    {"all-reduce-overflow", "Sum over ranks overflows",
     "Gradients that are finite on every rank and in every micro-batch, and whose 16-bit sum is not.",
     "One applied step, or 5 % of the steps skipped under a static scale; what a dynamic scale skips is its normal "
     "work. "
     "Critical when the outcome is bad.",
     "32 ranks with a scaled gradient of 4096 each: 16 * 4096 = 65536 is infinite in fp16, although their mean is "
     "4096. "
     "Divided first, each adds 128.",
     "Reduce in fp32 or bf16, divide before the sum, or lower the loss scale."},
    find};

} // namespace halfscope::analysis
