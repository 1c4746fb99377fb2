// What HalfScope says of one case, and what two simple counters would have said from the same trace.
#pragma once

#include "analysis/verdict/assessment.h"
#include "tests/hazards/case.h"

#include <filesystem>

namespace halfscope::hazards {

/// Of one trial under one seed.
struct Observation {
    analysis::Verdict verdict = analysis::Verdict::no_verdict;
    std::string cause;                 ///< detector of the first finding that is more than information; empty: none
    std::string headline;              ///< the verdict's sentence
    std::vector<std::string> findings; ///< all detectors with their severity
    double first_loss = 0;             ///< of the fp32 twin: tells whether a stored truth is this case's
    bool any_inf_or_nan = false;       ///< the first baseline: an inf or a NaN in any traced tensor or loss
    bool much_underflow = false;       ///< the second: some tensor rounds more than 1 % of its non-zero values to zero
};

inline constexpr double underflow_baseline = 0.01;

/// The seeds every case is run with; far enough apart for the fp32 siblings, which take the next one.
inline constexpr std::uint64_t seeds[] = {0, 10, 20};

/// Trains the twin, one sibling and every trial as `halfscope profile` does, and judges. `scratch` is for the trace and
/// is emptied.
[[nodiscard]] std::vector<Observation> observe(const Case &tried, std::uint64_t seed,
                                               const std::filesystem::path &scratch);

} // namespace halfscope::hazards
