// sum-saturation: a sum stops growing, because each further term is below half a spacing of what has been added up.
//
// What it looks for. A sum, a mean, a pooling or a scattered addition whose accumulator is in 16 bits: ones stop at
// 2048 in fp16 and at 256 in bf16, 0.1 stops at 256 and 32 (hazard A16: graph aggregation, column sums). Nothing
// overflows and nothing underflows; the result is simply too small. How it shows: accumulator_shortfall.h. Products are
// narrow-accumulation's.
//
// Threshold. Short by more than four of the format's relative spacings. Critical when the outcome is bad.
#include "analysis/detectors/accumulator_shortfall.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

void find(const Evidence &e, std::vector<Finding> &findings) {
    const Shortfall shortfall = accumulator_shortfall(e);
    if (!shortfall || shortfall.product) return;
    Finding f = shortfall_finding(e, sum_saturation, shortfall);
    f.cause = fmt::format("The sums of `{}` in {} are added up in 16 bits: once a sum is large, further terms are "
                          "rounded away.",
                          shortfall.tensor->info.operation, named(f.layer));
    f.remedy = fmt::format("Accumulate {} in fp32, or sum in chunks.", named(f.layer));
    findings.push_back(std::move(f));
}

} // namespace

const Detector sum_saturation{
    {"sum-saturation", "Sum stops growing (16-bit accumulator)",
     "The first forward sum whose magnitudes at the first step, where weights and batch are the twin's, add up to "
     "clearly less than the twin's, while everything before agrees.",
     "Short by more than four of the format's relative spacings (0.2 % in fp16, 1.6 % in bf16), in magnitudes and in "
     "squares. Critical when the outcome is bad.",
     "10000 messages of 0.1 added one by one: 1000 in truth, 256 in fp16 (0.1 is below half of the spacing 0.25 "
     "there), 32 "
     "in bf16.",
     "An fp32 accumulator, or sums in chunks."},
    find};

} // namespace halfscope::analysis
