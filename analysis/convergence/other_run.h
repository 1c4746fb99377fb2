// A run from elsewhere (a real GPU's, say) held against ours.
#pragma once

#include "analysis/convergence/convergence.h"
#include "trace/schema/curve.h"

namespace halfscope::analysis {

/// Our side of a comparison.
struct OwnRange {
    std::string recipe;
    double mean = 0, low = 0, high = 0; ///< over seeds
};

/// Training loss is compared by its mean over the other run's points among the last eighth of the steps that both have,
/// ours over the same steps; a held-out figure at the last of our evaluations that the other run reaches, its value
/// taken on the straight line between its neighbouring points.
struct OtherRun {
    trace::Curve curve;
    std::int64_t first_step = -1, last_step = -1; ///< compared; -1: no step in common
    double value = 0;
    std::vector<OwnRange> ranges;    ///< one per recipe that has finite values there
    std::vector<std::string> within; ///< recipes between whose seeds the value lies
    std::string nearest;             ///< the recipe whose mean is nearest
    std::string sentence;
};

[[nodiscard]] OtherRun compare_other(const trace::Curve &curve, const Convergence &convergence);

[[nodiscard]] std::string_view name_of(trace::Quantity quantity);

} // namespace halfscope::analysis
