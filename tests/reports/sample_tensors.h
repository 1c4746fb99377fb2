// Tensors of the sample assessment: counts, shares and histograms that follow from one distribution.
#pragma once

#include "analysis/verdict/assessment.h"
#include "sample_assessment.h"

#include <cstdint>
#include <string>

namespace halfscope::tests {

/// Range of a storage format in powers of two.
struct Limits {
    std::string name;
    double zero_below, normal_from, inf_from; // log2 |x|
};
inline const Limits fp16{"fp16", -25, -14, 16};
inline const Limits bf16{"bf16", -134, -126, 128};
inline const Limits fp32{"fp32", -150, -126, 128};

/// A fixed pseudo-random number in [-1, 1) (splitmix64), so that curves look like curves.
[[nodiscard]] double jitter(std::uint64_t stream, std::uint64_t index);

/// log2 |x| is normal with this mean and deviation; `zero_share` of the elements are exact zeros.
struct Distribution {
    double mean = -6, deviation = 2.2, zero_share = 0;
    double non_finite_share = 0;
    std::uint64_t count = 65536;
};

/// One tensor: its distribution at the first and at the last step, linear between.
struct TensorPlan {
    std::string name, role, operation;
    Distribution first;
    double drift = 0; ///< of the mean, in powers of two, over the run
    bool backward = false, scaled = false;
    int nan_from = -1; ///< step from which the tensor holds inf and NaN
};

/// The tensor's statistics over the traced steps; `stream` names its jitter.
[[nodiscard]] analysis::TensorSummary trace_tensor(const TensorPlan &plan, const Limits &limits, const SampleSize &size,
                                                   std::int64_t order, std::uint64_t stream);

} // namespace halfscope::tests
