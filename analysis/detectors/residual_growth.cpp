// residual-growth: a residual stream has grown with depth past the end of the format.
//
// What it looks for. The first forward overflow is made by an addition, and at least two additions before it hold
// smaller and smaller largest values: what every block adds has piled up (hazard A03; pre-norm transformers, whose
// normalisation sits beside the stream and never inside it, and deep residual networks).
//
// Threshold. One element names it; critical when the loss curve is bad and fidelity does not contradict. Two additions
// on the way up make it growth with depth and not a single layer's outlier, which is forward-overflow's.
#include "analysis/detectors/overflow_kind.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

/// The first addition of the forward pass.
const TensorHistory *start_of_stream(const RunRanges &ranges) {
    for (const TensorHistory &tensor : ranges.tensors)
        if (!tensor.info.backward && tensor.info.operation == "add") return &tensor;
    return nullptr;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (overflow_kind(e, findings) != OverflowKind::residual) return;
    const TensorHistory &tensor = *e.origins.forward.tensor;
    const number::Format &format = format_named(tensor.info.format);
    Finding f = forward_overflow_finding(e, residual_growth);
    if (const TensorHistory *start = start_of_stream(e.ranges))
        f.evidence += fmt::format(" The stream starts at {} in {}.", figure(double{start->summary.total.amax}),
                                  named(start->info.layer));
    f.cause = fmt::format("The residual stream grows with depth and passes {}'s largest value, {}, at {}.", format.name,
                          figure(largest_finite(format)), named(f.layer));
    f.remedy = fmt::format("Keep the residual stream in {}, scale each block's contribution down (1/sqrt(2 depth) at "
                           "initialisation), or normalise inside the stream.",
                           wider_format(tensor.info.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector residual_growth{
    {"residual-growth", "Residual stream past the format",
     "The first forward overflow is made by an addition, and at least two additions before it hold ever smaller "
     "largest "
     "values.",
     "One element; critical only when the loss curve is bad and the updates are not fp32's. Two rising additions tell "
     "growth with depth from a single outlier.",
     "A stream that doubles every second block from 100: after 18 blocks it is 100 * 2^9 = 51200, after 19 it is past "
     "65504.",
     "The residual stream in bf16 or fp32 (autocast keeps additions in the wider operand's type), smaller block "
     "contributions, normalisation inside the stream."},
    find};

} // namespace halfscope::analysis
