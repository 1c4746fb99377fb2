// An assessment such as the analysis hands over, made up but consistent: every tensor's counts, shares and histogram
// follow from one log-normal distribution per step and from the limits of the format it is stored in.
#pragma once

#include "analysis/verdict/assessment.h"

namespace halfscope::tests {

struct SampleSize {
    int layers = 12;
    int steps = 120;
    int trace_every = 1; ///< every k-th step has tensor statistics
};

/// A small CNN: the fp32 twin with two siblings; fp16-amp and bf16-amp safe, bf16-pure risky (updates lost in
/// rounding), fp16-pure unsafe (gradients underflow, then inf and NaN). Depends on `size` alone.
[[nodiscard]] analysis::Assessment sample_assessment(SampleSize size = {});

} // namespace halfscope::tests
