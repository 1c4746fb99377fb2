#include "analysis/compare/outcome.h"

#include "analysis/compare/loss_curve.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace halfscope::analysis {

namespace {

struct Noise {
    double value = 0;
    std::string source;
};

/// What the difference of two window means may be by luck.
Noise noise_of(std::span<const double> twin, const std::vector<std::vector<double>> &siblings, std::size_t window) {
    Noise noise;
    const std::size_t n = twin.size();
    const double deviation = step_deviation(twin.last(std::min(n, std::max<std::size_t>(window, 10))));
    noise.value = std::numbers::sqrt2 * deviation / std::sqrt(static_cast<double>(window));
    noise.source = "step-to-step variation of the twin";
    const double reference = mean_of(twin, n - window, window);
    double squares = 0;
    int counted_siblings = 0;
    for (const auto &losses : siblings) {
        if (losses.size() < n) continue;
        const double difference = mean_of(losses, n - window, window) - reference;
        if (!std::isfinite(difference)) continue;
        squares += difference * difference;
        ++counted_siblings;
    }
    if (counted_siblings > 0) {
        // Each difference of two seeds is one sample of what luck does to a difference.
        const double between_seeds = std::sqrt(squares / counted_siblings);
        noise.source = fmt::format("{} fp32 seeds", counted_siblings + 1);
        noise.value = std::max(noise.value, between_seeds);
    }
    return noise;
}

/// First step of the stretch at the end over which the smoothed difference is beyond the noise; -1 when there is none.
std::int64_t parting(std::span<const double> recipe, std::span<const double> twin, std::size_t window) {
    const std::size_t n = twin.size();
    const std::size_t smooth = std::max<std::size_t>(3, window / 2);
    std::vector<double> difference(n);
    for (std::size_t i = 0; i < n; ++i) difference[i] = recipe[i] - twin[i];
    const std::vector<double> smoothed = trailing_mean(difference, smooth);
    std::size_t first = n;
    for (std::size_t i = n; i-- > 0;) {
        if (i + 1 < smooth) break;
        const std::size_t local = std::min(i + 1, 2 * window);
        const double noise = std::numbers::sqrt2 * step_deviation(twin.subspan(i + 1 - local, local)) /
                             std::sqrt(static_cast<double>(smooth));
        // NaN counts as parted.
        if (std::abs(smoothed[i]) <= real_in_noises * noise || smoothed[i] == 0) break;
        first = i;
    }
    if (first == n) return -1;
    // The smoothing window lags: the parting began up to a window earlier.
    return static_cast<std::int64_t>(first + 1 >= smooth ? first + 1 - smooth : 0);
}

/// Share of the run ago at which the twin, smoothed alike, first reached `level`.
double behind(std::span<const double> twin, double level, std::size_t window) {
    const std::vector<double> smoothed = trailing_mean(twin, window);
    for (std::size_t i = window - 1; i < smoothed.size(); ++i)
        if (smoothed[i] <= level)
            return static_cast<double>(smoothed.size() - 1 - i) / static_cast<double>(smoothed.size());
    return 0;
}

/// Whether the recipe is above the twin batch by batch: mean of the last `window` differences beyond 3 of its standard
/// errors.
bool consistently_above(std::span<const double> recipe, std::span<const double> twin, std::size_t window) {
    double sum = 0, squares = 0;
    for (std::size_t i = twin.size() - window; i < twin.size(); ++i) {
        const double d = recipe[i] - twin[i];
        sum += d;
        squares += d * d;
    }
    const auto n = static_cast<double>(window);
    const double mean = sum / n;
    const double variance = std::max(0.0, squares / n - mean * mean) * n / std::max(1.0, n - 1);
    return mean > real_in_noises * std::sqrt(variance / n);
}

std::string describe(const Comparison &c) {
    const Outcome &o = c.outcome;
    const std::string both =
        fmt::format("final loss {} against {} in fp32", figure(o.final), figure(o.reference_final));
    switch (c.standing) {
    case Standing::unknown: return "Too few steps to compare the loss with the fp32 twin's.";
    case Standing::diverged:
        if (c.first_not_finite >= 0)
            return fmt::format("The loss is not finite from step {} on; in fp32 it ends at {}.", c.first_not_finite,
                               figure(o.reference_final));
        return fmt::format("The loss blows up: {}.", both);
    case Standing::stalled: return fmt::format("It hardly learns: {}.", both);
    case Standing::much_worse:
    case Standing::worse:
        return fmt::format(
            "It trains worse than the fp32 twin: {}, a gap of {} times the noise ({}); the twin was there "
            "{} of the run earlier.",
            both, figure(o.noise > 0 ? o.difference / o.noise : std::numeric_limits<double>::infinity()),
            o.noise_source, percent(o.behind));
    case Standing::equal: break;
    }
    if (o.difference < -real_in_noises * o.noise) return fmt::format("It ends below the fp32 twin: {}.", both);
    if (o.difference > real_in_noises * o.noise)
        return fmt::format("It trains like the fp32 twin: {}, a visible gap but too small to matter.", both);
    return fmt::format("It trains like the fp32 twin: {}, within the noise of {} ({}).", both, figure(o.noise),
                       o.noise_source);
}

} // namespace

Comparison compare_outcome(const std::vector<trace::Step> &recipe, const std::vector<trace::Step> &twin,
                           const std::vector<std::vector<double>> &sibling_losses) {
    Comparison c;
    const std::size_t n = std::min(recipe.size(), twin.size());
    c.steps = static_cast<std::int64_t>(n);
    std::vector<double> own, reference;
    for (std::size_t i = 0; i < n; ++i) {
        own.push_back(recipe[i].loss);
        reference.push_back(twin[i].loss);
        if (recipe[i].skipped) ++c.skipped;
        if (!recipe[i].skipped && std::isfinite(recipe[i].loss)) ++c.applied;
    }
    Outcome &o = c.outcome;
    if (n == 0) {
        o.sentence = describe(c);
        return c;
    }
    const TwinSoundness sound = judge_twin(reference);
    const std::size_t window = final_window(n);
    const Noise noise = noise_of(reference, sibling_losses, window);
    o.noise = noise.value;
    o.noise_source = noise.source;
    o.reference_final = mean_of(reference, n - window, window);
    o.final = mean_of(own, n - window, window);
    o.difference = o.final - o.reference_final;
    o.progress = sound.progress;
    o.parts_at = parting(own, reference, window);

    std::size_t tail = 0;
    while (tail < n && !std::isfinite(own[n - 1 - tail])) ++tail;
    if (!sound.diverged && tail >= std::min(n, diverged_tail)) {
        c.standing = Standing::diverged;
        c.first_not_finite = recipe[n - tail].step;
        o.diverged = true;
        o.behind = 1;
        o.parts_at = c.first_not_finite;
        o.sentence = describe(c);
        return c;
    }
    if (n < 2 * window || sound.diverged || !std::isfinite(o.final)) {
        o.sentence = describe(c);
        return c;
    }

    // The twin as many steps earlier as the scaler skipped, but never before the middle of the run.
    const std::size_t lag = std::min(static_cast<std::size_t>(c.skipped), n / 2);
    const std::span<const double> fair(reference.data(), n - lag);
    const double fair_final = mean_of(fair, fair.size() - window, window);
    const double difference = o.final - fair_final;
    o.behind = behind(fair, o.final, window);
    const double level =
        o.reference_final > 0 ? std::min(std::abs(sound.progress), o.reference_final) : std::abs(sound.progress);
    c.excess = level > 0 ? difference / level : (difference > 0 ? std::numeric_limits<double>::infinity() : 0.0);
    const bool real = difference > real_in_noises * noise.value;
    const double own_progress = sound.initial - o.final;
    // Above the start beyond noise, and by half of what the twin gained (by half of the start where it gained nothing).
    const double rise = 0.5 * (sound.learns ? sound.progress : std::abs(sound.initial));
    c.paired_gap = lag == 0 && o.behind >= worse_behind && c.excess >= worse_excess && difference > 0 &&
                   consistently_above(own, reference, std::max(window, n / 2));
    if (real && -own_progress > rise && -own_progress > real_in_noises * sound.progress_noise) {
        c.standing = Standing::diverged;
        o.diverged = true;
    } else if (real && sound.learns && own_progress < stalled_progress * (sound.initial - fair_final)) {
        c.standing = Standing::stalled;
        o.stalled = true;
    } else if (real && o.behind >= much_worse_behind && c.excess >= much_worse_excess) {
        c.standing = Standing::much_worse;
    } else if (real && o.behind >= worse_behind && c.excess >= worse_excess) {
        c.standing = Standing::worse;
    } else {
        c.standing = Standing::equal;
    }
    if (c.standing == Standing::equal && std::abs(difference) <= real_in_noises * noise.value) o.parts_at = -1;
    o.sentence = describe(c);
    return c;
}

} // namespace halfscope::analysis
