// clamp-rounds-to-one: clamp(p, eps, 1 - eps) with a 1 - eps that is 1 in the format.
//
// What it looks for. A probability is clamped so that log(1 - p) stays finite, and the upper bound itself rounds to 1:
// 1 - 1e-4 is 1 in fp16, 1 - 1e-3 is 1 in bf16 (hazard T09). The forward pass can be finite and the backward pass NaN.
//
// Which tensors. A forward logarithm that is not finite while the twin's is, or a backward tensor of a step with a
// finite forward pass, with a 16-bit `clip` at most eight operations before it whose largest value rounds to 1 although
// it is below.
//
// Threshold. Exact: the clamped tensor's largest source is below 1 and within half a spacing of it. Critical when the
// outcome is bad.
#include "analysis/detectors/arithmetic_origin.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/forward_neighbours.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

/// The first 16-bit clamp whose upper bound has become 1.
const TensorHistory *rounded_clamp(const RunRanges &ranges) {
    for (const TensorHistory &tensor : ranges.tensors) {
        const number::Format &format = format_named(tensor.info.format);
        if (tensor.info.backward || tensor.info.operation != "clip" || !is_reduced(format)) continue;
        const double amax = double{tensor.summary.total.amax};
        if (amax < 1 && amax >= 1 - std::ldexp(1.0, -(format.precision + 1))) return &tensor;
    }
    return nullptr;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const TensorHistory *clamp = rounded_clamp(e.ranges);
    if (!clamp) return;
    const NonFinite *origin = arithmetic_origin(e);
    if (!origin && e.origins.backward) origin = &e.origins.backward;
    if (!origin || (!origin->tensor->info.backward &&
                    (origin->tensor->info.operation != "logarithm" || origin->tensor->info.order < clamp->info.order)))
        return;
    Finding f = arithmetic_finding(e, clamp_rounds_to_one, *origin);
    f.evidence += fmt::format(" {} clamps to {:.7g}, which is 1 in {}.", named(clamp->info.name),
                              double{clamp->summary.total.amax}, clamp->info.format);
    f.cause = fmt::format("The upper bound of {} rounds to 1 in {}: it does not keep 1 - p from zero.",
                          named(clamp->info.layer), clamp->info.format);
    f.remedy =
        fmt::format("Clamp to a bound that {} can hold (1 - 2^-{}), use the fused loss on the logits, or compute "
                    "the loss in fp32.",
                    clamp->info.format, format_named(clamp->info.format).precision);
    findings.push_back(std::move(f));
}

} // namespace

const Detector clamp_rounds_to_one{{"clamp-rounds-to-one", "Clamp that rounds to 1",
                                    "A 16-bit clamp whose largest value is below 1 and rounds to 1, and an infinity or "
                                    "NaN behind it that the fp32 twin "
                                    "does not have.",
                                    "Exact: the bound lies within half a spacing of 1, 2^-12 in fp16 and 2^-9 in bf16. "
                                    "Critical when the outcome is bad.",
                                    "clamp(p, 1e-6, 1 - 1e-6) in fp16: 1 - 1e-6 rounds to 1, log(1 - 1) is -inf.",
                                    "A bound the format can hold, the fused loss on logits, or the loss in fp32."},
                                   find};

} // namespace halfscope::analysis
