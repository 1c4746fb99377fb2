#include "analysis/convergence/run_curve.h"

#include "analysis/compare/loss_curve.h"
#include "analysis/compare/outcome.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace halfscope::analysis {

std::vector<std::int64_t> spike_steps(std::span<const double> losses) {
    std::vector<std::int64_t> spikes;
    std::vector<double> calm; // values that are no spikes
    bool within = false;
    for (std::size_t step = 0; step < losses.size(); ++step) {
        bool spike = !std::isfinite(losses[step]);
        if (!spike && calm.size() >= spike_history_least) {
            const std::span<const double> before =
                std::span<const double>(calm).last(std::min(calm.size(), spike_history));
            const double mean = mean_of(before, 0, before.size());
            double squares = 0;
            for (const double value : before) squares += (value - mean) * (value - mean);
            const double deviation = std::sqrt(squares / static_cast<double>(before.size() - 1));
            spike = losses[step] > mean + spike_deviations * deviation;
        }
        if (spike && !within) spikes.push_back(static_cast<std::int64_t>(step));
        if (!spike) calm.push_back(losses[step]);
        within = spike;
    }
    return spikes;
}

std::int64_t first_at_or_below(std::span<const double> losses, std::size_t window, double level) {
    if (window == 0) return -1;
    for (std::size_t last = window; last <= losses.size(); ++last)
        if (mean_of(losses, last - window, window) <= level) return static_cast<std::int64_t>(last - 1);
    return -1;
}

std::int64_t diverged_at(std::span<const double> losses) {
    const std::size_t n = losses.size();
    if (n == 0) return -1;
    std::size_t tail = 0;
    while (tail < n && !std::isfinite(losses[n - 1 - tail])) ++tail;
    if (tail >= std::min(n, diverged_tail)) return static_cast<std::int64_t>(n - tail);
    const std::size_t last = final_window(n), first = initial_window(n);
    if (n < last + first) return -1;
    const double initial = mean_of(losses, 0, first), final = mean_of(losses, n - last, last);
    // What batches alone may make of the difference of two window means.
    const double noise =
        step_deviation(losses) * std::sqrt(1.0 / static_cast<double>(last) + 1.0 / static_cast<double>(first));
    return final - initial > real_in_noises * noise || std::isnan(final) ? static_cast<std::int64_t>(n - 1) : -1;
}

std::vector<double> losses_of(const trace::SweepRun &run) {
    std::vector<double> losses;
    losses.reserve(run.steps.size());
    for (const trace::Step &step : run.steps) losses.push_back(step.loss);
    return losses;
}

double last_value(const trace::SweepRun &run, const std::string &metric) {
    for (auto evaluation = run.evaluations.rbegin(); evaluation != run.evaluations.rend(); ++evaluation)
        if (evaluation->metric == metric) return evaluation->value;
    return std::numeric_limits<double>::quiet_NaN();
}

} // namespace halfscope::analysis
