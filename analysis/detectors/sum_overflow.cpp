// sum-overflow: a sum over many elements passes the format's largest value.
//
// What it looks for. The first forward overflow is made by a sum, a sum of squares or a running sum (the sum on the way
// to a mean is mean-overflow's). In fp16 it takes 65520 ones: Dice over a 512 x 512 map (262144), label smoothing over
// a vocabulary of 7400, log-semiring sums (hazard A15). The loss is then inf or NaN from the first step on.
//
// Threshold. One element names it; critical when the loss curve is bad and fidelity does not contradict. A sum of
// squares whose inverse root silences a layer is norm-variance-overflow's.
#include "analysis/detectors/overflow_kind.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (overflow_kind(e, findings) != OverflowKind::sum) return;
    const TensorHistory &tensor = *e.origins.forward.tensor;
    const number::Format &format = format_named(tensor.info.format);
    Finding f = forward_overflow_finding(e, sum_overflow);
    f.cause = fmt::format("`{}` in {} adds up to more than {}'s largest value, {}.", tensor.info.operation,
                          named(f.layer), format.name, figure(largest_finite(format)));
    f.remedy =
        fmt::format("Compute and keep the sum of {} in fp32 (autocast does for `sum`, as long as the result is not "
                    "cast back), divide before adding (a mean of means), or use {}.",
                    named(f.layer), wider_format(tensor.info.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector sum_overflow{
    {"sum-overflow", "Sum overflow", "The first forward overflow is made by a sum, a sum of squares or a running sum.",
     "One element; critical only when the loss curve is bad and the updates are not fp32's.",
     "A Dice loss over a 512 x 512 map of ones sums to 262144: infinite in fp16, and inf / inf is NaN. Over 128 x 128 "
     "it "
     "is 16384 and fine. bf16 holds both.",
     "Sum in fp32 and keep the result there, divide before adding, or bf16."},
    find};

} // namespace halfscope::analysis
