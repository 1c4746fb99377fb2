#include "analysis/compare/twin_soundness.h"

#include "analysis/compare/loss_curve.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

/// Standard errors that the slope of the straight line through all steps must be below zero. The ends of a short run
/// are a few noisy steps each; a line uses all of them. Four, not three: what a line leaves over is correlated, which
/// makes its standard error too small.
constexpr double steady_fall = 4;

/// The slope of the least-squares line through the losses, in its own standard errors.
double steadiness(std::span<const double> losses) {
    const auto n = static_cast<double>(losses.size());
    if (losses.size() < 3) return 0;
    double mean = 0;
    for (const double loss : losses) mean += loss / n;
    double xx = 0, xy = 0, yy = 0;
    for (std::size_t i = 0; i < losses.size(); ++i) {
        const double x = static_cast<double>(i) - (n - 1) / 2, y = losses[i] - mean;
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    const double residual = std::max(0.0, yy - xy * xy / xx) / (n - 2);
    if (residual == 0) return 0;
    return xy / std::sqrt(xx * residual);
}

} // namespace

TwinSoundness judge_twin(std::span<const double> losses) {
    TwinSoundness twin;
    if (losses.empty()) return twin;
    twin.present = true;
    const std::size_t n = losses.size();
    for (std::size_t i = 0; i < n; ++i) {
        if (std::isfinite(losses[i])) continue;
        twin.diverged = true;
        twin.problem = fmt::format("the fp32 twin itself diverges: its loss is {} at step {}", figure(losses[i]), i);
        return twin;
    }
    const std::size_t first = initial_window(n);
    const std::size_t last = final_window(n);
    twin.initial = mean_of(losses, 0, first);
    twin.final = mean_of(losses, n - last, last);
    twin.progress = twin.initial - twin.final;
    const double at_start = typical_step_deviation(losses);
    const double at_end = step_deviation(losses.last(std::min(n, std::max<std::size_t>(last, 10))));
    twin.progress_noise =
        std::hypot(at_start / std::sqrt(static_cast<double>(first)), at_end / std::sqrt(static_cast<double>(last)));
    twin.learns = twin.progress > 3 * twin.progress_noise || (twin.progress > 0 && steadiness(losses) < -steady_fall);
    if (twin.learns) return twin;
    // A rise beyond noise, and by half of what it began with: a flat but noisy curve does neither.
    if (-twin.progress > 3 * twin.progress_noise && -twin.progress > 0.5 * std::abs(twin.initial)) {
        twin.diverged = true;
        twin.problem = fmt::format("the fp32 twin itself diverges: its loss rises from {} to {}", figure(twin.initial),
                                   figure(twin.final));
    } else {
        twin.problem = fmt::format("the fp32 twin's own loss does not fall visibly ({} to {}, give or take {})",
                                   figure(twin.initial), figure(twin.final), figure(twin.progress_noise));
    }
    return twin;
}

} // namespace halfscope::analysis
