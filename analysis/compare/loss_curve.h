// Windows, smoothing and step-to-step variation of loss curves.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace halfscope::analysis {

/// Steps at the end of a run that "final" speaks of: an eighth of it, at least 5 (all of a shorter one).
[[nodiscard]] std::size_t final_window(std::size_t steps);

/// Steps at the start that "initial" speaks of: a fiftieth, at least 3. Short, because the loss falls fastest there.
[[nodiscard]] std::size_t initial_window(std::size_t steps);

/// Mean of values[first, first + count), in index order.
[[nodiscard]] double mean_of(std::span<const double> values, std::size_t first, std::size_t count);

/// Trailing means over `window` values (fewer at the start).
[[nodiscard]] std::vector<double> trailing_mean(std::span<const double> values, std::size_t window);

/// Standard deviation of a value from step to step with the trend taken out: the root of half the mean squared
/// successive difference (von Neumann's estimator). 0 for fewer than two values.
[[nodiscard]] double step_deviation(std::span<const double> values);

/// The same from the median of the absolute differences, for whole curves whose steep start must not count.
[[nodiscard]] double typical_step_deviation(std::span<const double> values);

} // namespace halfscope::analysis
