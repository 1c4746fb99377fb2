// A recipe's curves over its seeds as one line and a band.
#pragma once

#include "trace/schema/sweep.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace halfscope::analysis {

/// Parallel arrays. Mean, smallest and largest over the runs that have a finite value at the step; steps where none has
/// one are left out.
struct Band {
    std::vector<std::int64_t> steps;
    std::vector<double> mean, low, high;
};

/// Steps over which training losses are smoothed where curves are drawn: a fortieth of the run, at least one.
[[nodiscard]] std::size_t smoothing_window(std::size_t steps);

/// Trailing means over `window` values that end only where they can: a mean over a non-finite value is not finite.
[[nodiscard]] Band training_band(std::span<const trace::SweepRun *const> runs, std::size_t window);
/// Of the evaluations of one metric ("loss", "accuracy"); `steps` counts finished steps.
[[nodiscard]] Band evaluation_band(std::span<const trace::SweepRun *const> runs, const std::string &metric);
/// Of the differences to the runs of the same position in `reference`: paired by seed, they show what the seeds' own
/// spread hides.
[[nodiscard]] Band difference_band(std::span<const trace::SweepRun *const> runs,
                                   std::span<const trace::SweepRun *const> reference, const std::string &metric);

} // namespace halfscope::analysis
