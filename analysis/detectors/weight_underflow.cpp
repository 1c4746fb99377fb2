// weight-underflow: weights are so small that they are zero in the format.
//
// What it looks for. A norm behind a layer hides the size of its weights: weight decay may shrink them for ever without
// any effect in fp32 (hazard A11). Stored in, or cast to, fp16 they become subnormal and then zero, and the layer gives
// zeros. A loss scale does not act on weights.
//
// Which tensors. Weights and their casts in 16 bits: how much of the squared norm of their sources rounds to zero, read
// off the histograms, beside the count.
//
// Threshold. Half of the elements: from there the layer is another one. Critical when the outcome is bad, or when
// the layer is gone altogether (nine tenths) and fidelity shows its updates broken.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

constexpr double half = 0.5, nearly_all = 0.9;

void find(const Evidence &e, std::vector<Finding> &findings) {
    const TensorHistory *worst = nullptr;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.role != "weight" || !is_reduced(format_named(tensor.info.format))) continue;
        const double lost = tensor.summary.underflow_share;
        if (lost >= half && (!worst || lost > worst->summary.underflow_share)) worst = &tensor;
    }
    if (!worst) return;
    const TensorSummary &s = worst->summary;
    const number::Format &format = format_named(worst->info.format);
    const bool gone = s.underflow_share >= nearly_all && e.fidelity.late.retains_less_than(broken_retained);
    const Severity severity = e.comparison.bad() || gone ? Severity::critical : Severity::warning;
    Finding f = finding_at(weight_underflow, severity, *worst, s.steps.empty() ? -1 : s.steps.front(), 94);
    f.evidence = fmt::format("{} of the weights of {} are zero in {}; the largest is {}, {} rounds up to 2^{} to zero.",
                             percent(s.underflow_share), named(f.layer), format.name, figure(double{s.total.amax}),
                             format.name, underflow_threshold_log2(format));
    f.cause =
        fmt::format("The weights of {} are below {}'s range: the layer's output is zero, and no loss scale acts on "
                    "weights.",
                    named(f.layer), format.name);
    f.remedy =
        fmt::format("Rescale the weights of {} (a norm behind it undoes the factor), leave it out of weight decay, "
                    "or run it in {}.",
                    named(f.layer), wider_format(worst->info.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector weight_underflow{
    {"weight-underflow", "Weights below the format's range",
     "Weights, or their 16-bit casts, of which most are zero where fp32's are not.",
     "Half of the elements. Critical when the outcome is bad, or when nine tenths are gone and the updates are broken.",
     "Weights of 1e-9 before a batch norm: in fp32 the norm divides their size out; in fp16 all of them are zero "
     "(everything up to 2.98e-8 is), and so is the layer.",
     "Rescale the weights, exempt them from weight decay, or run the layer in bf16 or fp32."},
    find};

} // namespace halfscope::analysis
