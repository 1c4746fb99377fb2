// log-of-lost-eps: log(x + eps) with an eps that is zero in the format.
//
// What it looks for. A small constant is added so that the logarithm stays finite where x is zero; in fp16 everything
// up to 2^-25 = 2.98e-8 is zero, 1e-8 and 1e-12 among it (hazard T08: EfficientDet's box coder, PPO's floor of the
// deviation, softmax then log).
//
// Which tensors. A forward logarithm that is -inf while the twin's is finite, right behind an addition of a constant
// that leaves zeros where the twin's has none.
//
// Threshold. One zero. Critical when the outcome is bad.
#include "analysis/detectors/arithmetic_origin.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/forward_neighbours.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

void find(const Evidence &e, std::vector<Finding> &findings) {
    const NonFinite *origin = arithmetic_origin(e);
    if (!origin || origin->tensor->info.operation != "logarithm") return;
    for (const Finding &f : findings)
        if (f.tensor == origin->tensor->info.name) return;
    const TensorHistory *sum = previous_forward(e.ranges, *origin->tensor, "shift", 1);
    if (!sum) sum = previous_forward(e.ranges, *origin->tensor, "add", 1);
    if (!sum || own_zeros_before(e, *origin->tensor, origin->step) == nullptr) return;
    Finding f = arithmetic_finding(e, log_of_lost_eps, *origin);
    f.cause =
        fmt::format("The constant added before the logarithm in {} is lost in {}, which rounds everything up to 2^{} "
                    "to zero: log(0) is -inf.",
                    named(f.layer), sum->info.format, underflow_threshold_log2(format_named(sum->info.format)));
    f.remedy = fmt::format("Use an eps that {} can hold (fp16: at least 1e-7, better 1e-5), log_softmax instead of "
                           "softmax and log, or fp32 for the loss.",
                           sum->info.format);
    findings.push_back(std::move(f));
}

} // namespace

const Detector log_of_lost_eps{
    {"log-of-lost-eps", "Logarithm of a lost eps",
     "A logarithm that is -inf while the fp32 twin's is finite, of a sum with a constant that is zero where the twin's "
     "is "
     "not.",
     "One element. Critical when the outcome is bad.",
     "log(p + 1e-8) with p = 0: in fp16 1e-8 is below 2^-25 and the result -inf; in fp32 and bf16 it is -18.4.",
     "An eps the format can hold (1e-7 at least in fp16), or the logarithm in fp32."},
    find};

} // namespace halfscope::analysis
