// What one run's training loss shows by itself: spikes, divergence, when it reached a level.
#pragma once

#include "trace/schema/sweep.h"

#include <cstdint>
#include <span>
#include <vector>

namespace halfscope::analysis {

/// A loss is a spike when it lies this many standard deviations above the mean of the values before it (at most
/// `spike_history`, at least `spike_history_least`, earlier spikes left out), or is not finite. Neighbouring ones count
/// as one. After the spike score of the OLMo models (Groeneveld et al. 2024; OLMo 2, section 3): 7 deviations, 1000
/// values.
inline constexpr double spike_deviations = 7;
inline constexpr std::size_t spike_history = 1000, spike_history_least = 20;
[[nodiscard]] std::vector<std::int64_t> spike_steps(std::span<const double> losses);

/// First step (0-based) at which the trailing mean over `window` values is at or below `level`; -1: never. The first
/// window - 1 steps have no such mean and do not count.
[[nodiscard]] std::int64_t first_at_or_below(std::span<const double> losses, std::size_t window, double level);

/// First step of the stretch of non-finite losses at the end, when it is at least three steps long (or the whole run);
/// where there is none, the last step of a run whose final mean lies above its initial one by more than 3 times what
/// the variation from step to step makes of such a difference; -1: it did not diverge.
[[nodiscard]] std::int64_t diverged_at(std::span<const double> losses);

[[nodiscard]] std::vector<double> losses_of(const trace::SweepRun &run);
/// Value of the run's last evaluation of this metric; NaN when there is none.
[[nodiscard]] double last_value(const trace::SweepRun &run, const std::string &metric);

} // namespace halfscope::analysis
