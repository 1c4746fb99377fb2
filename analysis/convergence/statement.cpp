#include "analysis/convergence/statement.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {
namespace {

/// A difference and its uncertainty, as "0.031 ± 0.006": two significant digits of the uncertainty, and as many
/// decimals of the difference.
std::string with_error(double value, double error, bool signed_value) {
    if (!(error > 0) || !std::isfinite(error) || !std::isfinite(value))
        return fmt::format("{}{} ± {}", signed_value && value > 0 ? "+" : "", figure(value), figure(error));
    const int decimals = std::clamp(1 - static_cast<int>(std::floor(std::log10(error))), 0, 12);
    return signed_value ? fmt::format("{:+.{}f} ± {:.{}f}", value, decimals, error, decimals)
                        : fmt::format("{:.{}f} ± {:.{}f}", value, decimals, error, decimals);
}

/// The interval with its sign turned so that positive is worse.
struct Harm {
    double mean, low, high;
};

Harm harm_of(const FinalComparison &c) {
    if (c.larger_is_better) return {-c.interval.mean, -c.interval.high, -c.interval.low};
    return {c.interval.mean, c.interval.low, c.interval.high};
}

ConvergenceStanding standing_of(const Harm &harm, double margin, double noticeable) {
    const bool real = harm.low > 0, real_gain = harm.high < 0;
    if (real && (harm.high > margin || harm.mean > noticeable)) return ConvergenceStanding::worse;
    if (real_gain && (harm.low < -margin || -harm.mean > noticeable)) return ConvergenceStanding::better;
    if (harm.low >= -margin && harm.high <= margin) return ConvergenceStanding::equal;
    return harm.high <= margin ? ConvergenceStanding::no_worse : ConvergenceStanding::undecided;
}

/// By how much: with a plus-minus where that does not seem to reach zero; the interval itself, which need not be
/// symmetric about the mean, otherwise.
std::string amount(const FinalComparison &c) {
    const double mean = std::abs(c.interval.mean), half = c.interval.half_width();
    if (half < mean) return with_error(mean, half, false);
    const double one = std::abs(c.interval.low), other = std::abs(c.interval.high);
    return fmt::format("{} ({} to {})", figure(mean), figure(std::min(one, other)), figure(std::max(one, other)));
}

std::string figures(const FinalComparison &c) {
    return fmt::format("{} {} against {} in fp32", c.metric, figure(c.mean), figure(c.reference_mean));
}

std::string seeds_of(std::size_t part, std::size_t whole) { return fmt::format("{} of {} seeds", part, whole); }

std::string sentence_of(const RecipeConvergence &recipe, const Convergence &whole) {
    const FinalComparison &c = recipe.comparisons.front();
    const Harm harm = harm_of(c);
    const double half = c.interval.half_width();
    const std::string difference = "paired difference " + with_error(c.interval.mean, half, true);
    switch (recipe.standing) {
    case ConvergenceStanding::equal:
        return fmt::format("{} equals fp32 within {}: {}, {}, inside ±{}.{}", recipe.name,
                           whole.margin_source == "--margin" ? "the margin" : "seed noise", figures(c), difference,
                           figure(whole.margin),
                           (harm.low > 0 || harm.high < 0) && c.reference_deviation > 0
                               ? fmt::format(" Every seed shows it, but it is {} of what another seed changes.",
                                             percent(std::abs(c.interval.mean) / c.reference_deviation))
                               : "");
    case ConvergenceStanding::no_worse:
        return fmt::format("{} is no worse than fp32: {}, {}; whether it is better is not decided.", recipe.name,
                           figures(c), difference);
    case ConvergenceStanding::better: return fmt::format("{} is better by {}: {}.", recipe.name, amount(c), figures(c));
    case ConvergenceStanding::worse:
        return fmt::format(
            "{} is worse by {}: {}.{}{}", recipe.name, amount(c), figures(c),
            recipe.parts_at >= 0 ? fmt::format(" Its training loss parts from fp32's at step {}.", recipe.parts_at)
                                 : "",
            recipe.skipped_steps > 0
                ? fmt::format(" Its loss scaler skipped {} over all seeds.", counted(recipe.skipped_steps, "step"))
                : "");
    default:
        return fmt::format("Undecided whether {} equals fp32: {}, {}, reaches beyond ±{}; more seeds narrow it.",
                           recipe.name, figures(c), difference, figure(whole.margin));
    }
}

} // namespace

void state(RecipeConvergence &recipe, const Convergence &whole, bool margin_given) {
    const FinalComparison &c = recipe.comparisons.front();
    const std::size_t seeds = whole.seeds.size();
    const RecipeConvergence &reference = whole.recipes.front();
    if (recipe.name == reference_recipe) {
        recipe.standing = ConvergenceStanding::reference;
        recipe.sentence =
            fmt::format("fp32, the reference: {} {} over {}{}.{}", c.metric, figure(c.mean),
                        counted(static_cast<long long>(seeds), "seed"),
                        seeds > 1 ? ", standard deviation " + figure(c.deviation) : "",
                        recipe.diverged_seeds.empty()
                            ? ""
                            : fmt::format(" It diverges itself on {}.", seeds_of(recipe.diverged_seeds.size(), seeds)));
        return;
    }
    if (!recipe.diverged_seeds.empty()) {
        recipe.standing = ConvergenceStanding::diverged;
        recipe.sentence = fmt::format("{} diverges on {} where fp32 does not, first at step {}.", recipe.name,
                                      seeds_of(recipe.diverged_seeds.size(), seeds), recipe.diverged_at);
        return;
    }
    recipe.standing = ConvergenceStanding::undecided;
    if (c.differences.size() < least_seeds) {
        recipe.sentence =
            reference.diverged_seeds.empty()
                ? fmt::format(
                      "Undecided about {}: {} cannot give an interval of 90 % coverage; take --seeds {} or more.",
                      recipe.name, counted(static_cast<long long>(c.differences.size()), "pair"), least_seeds)
                : fmt::format("Undecided about {}: fp32 itself diverges on {}, which leaves {} to compare.",
                              recipe.name, seeds_of(reference.diverged_seeds.size(), seeds),
                              counted(static_cast<long long>(c.differences.size()), "pair"));
        return;
    }
    recipe.standing =
        standing_of(harm_of(c), whole.margin, margin_given ? whole.margin : whole.margin / repeatability_factor);
    const bool alike =
        recipe.standing == ConvergenceStanding::equal || recipe.standing == ConvergenceStanding::no_worse;
    if (alike && 2 * whole.learning_seeds <= seeds) {
        recipe.standing = ConvergenceStanding::undecided;
        recipe.sentence = fmt::format("Undecided about {}: fp32's own loss falls visibly on {} only, so that recipes "
                                      "cannot differ yet; take more --steps.",
                                      recipe.name, seeds_of(whole.learning_seeds, seeds));
        return;
    }
    recipe.sentence = sentence_of(recipe, whole);
}

} // namespace halfscope::analysis
