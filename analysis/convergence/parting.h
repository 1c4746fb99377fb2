// Where a recipe's training curves leave fp32's.
#pragma once

#include "trace/schema/sweep.h"

#include <cstdint>
#include <vector>

namespace halfscope::analysis {

/// See RecipeConvergence::parts_at. Runs are paired by position; `window` is that of the trailing mean, and since the
/// mean lags by up to a window, the step named is the first that the first parted mean saw. A loss that is not finite
/// counts as parted.
[[nodiscard]] std::int64_t parting(const std::vector<const trace::SweepRun *> &recipe,
                                   const std::vector<const trace::SweepRun *> &reference, std::size_t window);

} // namespace halfscope::analysis
