// narrow-accumulation: matrix products add up in 16 bits, and long ones come out too small.
//
// What it looks for. A matrix product or a convolution whose accumulator is fp16 or bf16: a matrix unit run with fp16
// accumulation, cuBLAS under allow_fp16_reduced_precision_reduction, a hand-written kernel (hazard H02). A dot product
// of 4096 terms of 0.01 stops at 32 instead of 41. How it shows: accumulator_shortfall.h.
//
// Threshold. Short by more than four of the format's relative spacings at the first step. Critical when the outcome is
// bad. The recipe's own accumulation model is named as the remedy's subject; where the trace comes from elsewhere, the
// accumulator is inferred from the shortfall alone.
#include "analysis/detectors/accumulator_shortfall.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

void find(const Evidence &e, std::vector<Finding> &findings) {
    const Shortfall shortfall = accumulator_shortfall(e);
    if (!shortfall || !shortfall.product) return;
    Finding f = shortfall_finding(e, narrow_accumulation, shortfall);
    f.cause = fmt::format("The products of {} are accumulated in 16 bits: once a sum is large, further terms are below "
                          "half of its spacing and are rounded away.",
                          named(f.layer));
    f.remedy =
        fmt::format("Accumulate in fp32 (here: --accumulate fma-chain or a matrix unit with an fp32 accumulator; "
                    "PyTorch: torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False), or "
                    "keep {} in fp32.",
                    named(f.layer));
    findings.push_back(std::move(f));
}

} // namespace

const Detector narrow_accumulation{
    {"narrow-accumulation", "Matrix products accumulated in 16 bits",
     "The first matrix product or convolution whose magnitudes at the first step, where weights and batch are the "
     "twin's, add up to clearly less than the twin's, while everything before agrees.",
     "Short by more than four of the format's relative spacings (0.2 % in fp16, 1.6 % in bf16), in magnitudes and in "
     "squares. Critical when the outcome is bad.",
     "A dot product of 4096 terms 0.1 * 0.1 is 41. An fp16 accumulator stops at 32, where neighbours are 0.03 apart "
     "and "
     "0.01 is less than half of that.",
     "An fp32 accumulator: it is the default of every framework, and fp16 accumulation a switch."},
    find};

} // namespace halfscope::analysis
