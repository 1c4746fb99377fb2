// mean-overflow: a mean is infinite although no term of it is large, because the sum on the way to it is stored.
//
// What it looks for. A mean written as sum / n in 16 bits, or a kernel that keeps its sum so: 1024 values near 100 have
// a mean of 100 and a sum of 102400, beyond fp16's 65504. InstanceNorm and GroupNorm over large images, global average
// pooling and centring fall to it (hazard A12), in images only from some size on.
//
// How it is told from sum-overflow. The overflow is made by a mean or a pooling; or by a sum whose next operation
// multiplies it by a constant, to a quarter or less in the fp32 twin: then the sum is not what the model wants. (A
// division may be by another sum, as in Dice.)
//
// Threshold. One element names it; critical when the loss curve is bad and fidelity does not contradict.
#include "analysis/detectors/overflow_kind.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (overflow_kind(e, findings) != OverflowKind::mean) return;
    const TensorHistory &tensor = *e.origins.forward.tensor;
    const number::Format &format = format_named(tensor.info.format);
    Finding f = forward_overflow_finding(e, mean_overflow);
    f.cause =
        fmt::format("The mean in {} is taken of a sum that passes {}'s largest value, {}, although the mean itself "
                    "is small.",
                    named(f.layer), format.name, figure(largest_finite(format)));
    f.remedy =
        fmt::format("Divide before adding (a mean of x / n, or a mean of means), use the framework's mean, which "
                    "adds up in fp32, or compute {} in {}.",
                    named(f.layer), wider_format(tensor.info.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector mean_overflow{
    {"mean-overflow", "Mean overflow",
     "The first forward overflow is made by a mean or a pooling, or by a sum that the next operation scales down.",
     "One element, and for a sum a quotient of at most a quarter of it in the fp32 twin; critical only when the loss "
     "curve is bad and the updates are not fp32's.",
     "The mean of 1024 values near 100, written as sum / 1024: the sum is 102400 and infinite in fp16, so the mean is "
     "infinite, and what is left after subtracting it is -inf. Written as a sum of x / 1024 it is 100.",
     "Divide before adding, or add up in fp32."},
    find};

} // namespace halfscope::analysis
