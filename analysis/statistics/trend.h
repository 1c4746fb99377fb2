// Where a quantity that grows exponentially with the steps will meet a limit: a line through its logarithm, with the
// interval that its scatter allows.
//
// The fit. Least squares of y = log2(value) against the step, over the second half of the traced steps (the first ones,
// in which every network settles, are left out). Steps that stray from the line by more than 4 robust deviations
// (1.4826 times the median absolute residual) are dropped and the line is fitted once more: one odd batch must not tilt
// it.
//
// The interval. Residuals of neighbouring steps resemble each other, so n of them are worth fewer: n' = n (1 - r) / (1
// + r), r being their correlation from one traced step to the next (0 where it comes out negative). At a step x ahead,
// a single new value lies, with 95 % probability, within
//     y(x) +- t(n' - 2) s sqrt(1 + 1/n' + (x - mean)^2 / (Sxx n'/n))
// (the prediction interval of a regression: Draper and Smith, Applied Regression Analysis, section 1.4). The earliest
// crossing is where its upper end meets the limit, the latest where its lower end does.
//
// What does not count as a trend. A slope that may be zero; and growth that is dying down: from the growth d1 of the
// first half of the fitted steps and d2 of the second, going on as d2 (d2/d1), d2 (d2/d1)^2, ... adds up to d2 q / (1 -
// q), q = d2/d1, taken at the largest that the scatter of both allows. When that does not reach the limit, the curve is
// settling.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace halfscope::analysis {

/// Traced steps in the second half below which no line is drawn: with 8 the interval's t is 2.4 instead of 2.0.
inline constexpr std::size_t enough_for_a_trend = 8;

struct Trend {
    double per_step = 0;       ///< binades (doublings) a step
    double per_step_error = 0; ///< half of its 95 % interval
    double at_end = 0;         ///< fitted log2 of the value at the last step
    double deviation = 0;      ///< of single steps about the line, in binades
    double effective_steps = 0;
    double mean_step = 0;
    double last_step = 0;
    double squares = 0; ///< sum of (x - mean)^2, scaled to the effective steps
    double t = 0;       ///< Student's, 97.5 %, of the effective degrees of freedom
    double further_growth = std::numeric_limits<double>::infinity(); ///< binades left when growth is dying down

    [[nodiscard]] bool rises() const { return per_step - per_step_error > 0; }
    [[nodiscard]] bool falls() const { return per_step + per_step_error < 0; }
    /// Half of the 95 % prediction interval at `step`.
    [[nodiscard]] double half_interval(double step) const;
    [[nodiscard]] double value_at(double step) const { return at_end + per_step * (step - last_step); }
};

/// `log2_values` parallel to `steps`, both over the whole run; values that are not finite are left out. nullopt below
/// enough_for_a_trend values in the second half.
[[nodiscard]] std::optional<Trend> fit_trend(std::span<const std::int64_t> steps, std::span<const double> log2_values);

/// Steps of the run at which the limit is met: earliest, likeliest, latest. nullopt where the trend does not lead
/// there, or not surely.
struct Crossing {
    double earliest = 0, likeliest = 0, latest = 0;
};
/// `limit_log2` above the value for a rising trend, below it for a falling one. No step beyond `horizon` counts: a
/// crossing is reported only when even `latest` lies before it.
[[nodiscard]] std::optional<Crossing> crossing(const Trend &trend, double limit_log2, double horizon);

/// The 97.5 % quantile of Student's distribution (Abramowitz and Stegun 26.7.5; within 0.3 % from 4 degrees on).
[[nodiscard]] double student_t975(double degrees);

} // namespace halfscope::analysis
