#include "analysis/compare/outcome.h"

#include "analysis/compare/loss_curve.h"
#include "analysis/statistics/format_limits.h"
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

constexpr double unreadable_spacing = 0.25;

/// Distance of neighbouring values of `format` at |value|.
double spacing_at(double value, const number::Format &format) {
    const int binade =
        value == 0 ? format.emin : std::max(format.emin, static_cast<int>(std::floor(std::log2(std::abs(value)))));
    return std::ldexp(1.0, binade - (format.precision - 1));
}

/// What a recipe is held against.
struct Field {
    const TwinSoundness &sound;
    std::span<const double> twin;
    std::size_t window;
    std::size_t
        lag; ///< steps the recipe's scaler skipped, at most half of the run: the twin is taken that much earlier

    [[nodiscard]] std::span<const double> fair() const { return twin.first(twin.size() - lag); }
    [[nodiscard]] double fair_final() const { return mean_of(fair(), fair().size() - window, window); }
};

/// Sets standing, excess and behind for a run that ends at `final`.
void classify(Comparison &c, const Field &field, double final, double noise) {
    const TwinSoundness &sound = field.sound;
    Outcome &o = c.outcome;
    const double fair_final = field.fair_final();
    const double difference = final - fair_final;
    const bool real = difference > real_in_noises * noise;
    const double level =
        o.reference_final > 0 ? std::min(std::abs(sound.progress), o.reference_final) : std::abs(sound.progress);
    const double own_progress = sound.initial - final;
    const double fair_progress = sound.initial - fair_final;
    o.behind = behind(field.fair(), final, field.window);
    c.excess = level > 0 ? difference / level : (difference > 0 ? std::numeric_limits<double>::infinity() : 0.0);
    c.progress_share = fair_progress > 0 ? own_progress / fair_progress : 0;
    // Above the start beyond noise, and by half of what the twin gained (by half of the start where it gained nothing).
    const double rise = 0.5 * (sound.learns ? sound.progress : std::abs(sound.initial));
    if (real && -own_progress > rise && -own_progress > real_in_noises * sound.progress_noise) {
        c.standing = Standing::diverged;
        o.diverged = true;
    } else if (real && sound.learns && c.progress_share < stalled_progress) {
        c.standing = Standing::stalled;
        o.stalled = true;
    } else if (real && o.behind >= much_worse_behind && c.excess >= much_worse_excess) {
        c.standing = Standing::much_worse;
    } else if (real && o.behind >= worse_behind && c.excess >= worse_excess) {
        c.standing = Standing::worse;
    } else {
        c.standing = Standing::equal;
    }
}

/// Same batch by same batch, at the sampled steps of the second half.
void read_in_fp32(Comparison &c, const std::vector<trace::Step> &recipe, std::span<const double> twin) {
    double sum = 0, squares = 0;
    int samples = 0;
    for (std::size_t i = twin.size() / 2; i < twin.size(); ++i) {
        if (!std::isfinite(recipe[i].loss_in_fp32)) continue;
        const double d = recipe[i].loss_in_fp32 - twin[i];
        sum += d;
        squares += d * d;
        ++samples;
    }
    if (samples < 3) return;
    const double mean = sum / samples;
    const double variance = std::max(0.0, squares / samples - mean * mean) * samples / (samples - 1);
    c.gap_in_fp32 = mean;
    c.gap_in_fp32_error = std::sqrt(variance / samples);
}

std::string describe(const Comparison &c) {
    const Outcome &o = c.outcome;
    const std::string both =
        fmt::format("final loss {} against {} in fp32{}", figure(c.judged_in_fp32 ? c.final_in_fp32 : o.final),
                    figure(o.reference_final), c.judged_in_fp32 ? " (both read in fp32)" : "");
    switch (c.standing) {
    case Standing::unknown:
        if (!c.loss_readable)
            return fmt::format("The loss curve shows nothing: stored losses are {} apart where the twin's loss is {}.",
                               figure(c.loss_spacing), figure(o.reference_final));
        return "Too few steps to compare the loss with the fp32 twin's.";
    case Standing::diverged:
        if (c.first_not_finite >= 0 && c.late_not_finite > 0 && std::isfinite(o.final))
            return fmt::format(
                "The loss is not finite in {} steps, again and again from step {} on; in fp32 it ends at "
                "{}.",
                c.not_finite, c.first_not_finite, figure(o.reference_final));
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
            both,
            figure(o.noise > 0 ? (c.judged_in_fp32 ? c.final_in_fp32 - o.reference_final : o.difference) / o.noise
                               : std::numeric_limits<double>::infinity()),
            o.noise_source, percent(o.behind));
    case Standing::equal: break;
    }
    if (c.judged_in_fp32)
        return fmt::format(
            "Its weights are as good as the fp32 twin's: read in fp32 their final loss is {} against {}; "
            "its own forward pass rounds and reads {}.",
            figure(c.final_in_fp32), figure(o.reference_final), figure(o.final));
    if (o.difference < -real_in_noises * o.noise) return fmt::format("It ends below the fp32 twin: {}.", both);
    if (o.difference > real_in_noises * o.noise)
        return fmt::format("It trains like the fp32 twin: {}, a visible gap but too small to matter.", both);
    return fmt::format("It trains like the fp32 twin: {}, within the noise of {} ({}).", both, figure(o.noise),
                       o.noise_source);
}

} // namespace

Comparison compare_outcome(const std::vector<trace::Step> &recipe, const std::vector<trace::Step> &twin,
                           const std::vector<std::vector<double>> &sibling_losses, const number::Format &loss_format) {
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
    const double visible = std::min(std::abs(o.reference_final), std::abs(sound.progress));
    if (is_reduced(loss_format)) {
        c.loss_spacing = spacing_at(o.reference_final, loss_format);
        c.loss_readable = c.loss_spacing <= unreadable_spacing * visible;
        // A value is off by up to half a spacing, evenly: a standard deviation of spacing / sqrt(12), for good.
        o.noise = std::max(o.noise, c.loss_spacing / std::sqrt(12.0));
    }

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
    for (std::size_t i = 0; i < n; ++i) {
        if (std::isfinite(own[i]) || !std::isfinite(reference[i])) continue;
        ++c.not_finite;
        if (2 * i >= n) ++c.late_not_finite;
        // Such steps are skipped, or ruin what follows: the weights are worth what they were worth before.
        own[i] = i > 0 ? own[i - 1] : reference[i];
    }
    o.final = mean_of(own, n - window, window);
    o.difference = o.final - o.reference_final;
    if (!sound.diverged && c.late_not_finite >= static_cast<std::int64_t>(diverged_tail)) {
        c.standing = Standing::diverged;
        o.diverged = true;
        o.behind = 1;
        for (std::size_t i = n; i-- > 0;)
            if (!std::isfinite(recipe[i].loss)) c.first_not_finite = recipe[i].step;
        o.parts_at = c.first_not_finite;
        o.sentence = describe(c);
        return c;
    }
    if (n < 2 * window || sound.diverged || !std::isfinite(o.final)) {
        o.sentence = describe(c);
        return c;
    }

    const Field field{sound, reference, window, std::min(static_cast<std::size_t>(c.skipped), n / 2)};
    if (c.loss_readable) {
        classify(c, field, o.final, o.noise);
        c.paired_gap = o.behind >= worse_behind && c.excess >= worse_excess &&
                       consistently_above(own, reference, std::max(window, n / 2));
        c.own_standing = c.standing;
    }
    if (!c.loss_readable || c.standing != Standing::equal) {
        read_in_fp32(c, recipe, reference);
        // Telling: acquits a curve beyond doubt, or replaces one that says nothing.
        const bool telling =
            c.loss_readable ? c.gap_in_fp32 + 2 * c.gap_in_fp32_error < 0.5 * o.difference
                            : 2 * real_in_noises * c.gap_in_fp32_error < std::max(visible, std::abs(c.gap_in_fp32));
        if (telling && !std::isnan(c.gap_in_fp32)) {
            c.judged_in_fp32 = true;
            c.final_in_fp32 = field.fair_final() + c.gap_in_fp32;
            c.paired_gap = false;
            o.diverged = o.stalled = false;
            classify(c, field, c.final_in_fp32, std::max(noise.value, c.gap_in_fp32_error));
            c.acquitted_in_fp32 = c.gap_in_fp32 + 2 * c.gap_in_fp32_error < much_worse_excess * visible;
        }
    }
    if (c.standing == Standing::equal && std::abs(o.difference) <= real_in_noises * o.noise) o.parts_at = -1;
    o.sentence = describe(c);
    return c;
}

} // namespace halfscope::analysis
