// Whether recipes reach what fp32 reaches: the statement made from a sweep.
//
// Runs of one seed start from the same weights and see the same batches, so a recipe is held against fp32 seed by seed:
// the differences are paired, and what the seed alone does to a run cancels as far as the two runs stay together.
//   * measured: held-out loss at the end (or accuracy, when asked), mean training loss of the last eighth beside it.
//   * interval: paired_interval.h, exact without normality; five seeds at least, below that its coverage is under 90 %
//     and nothing is stated.
//   * margin of equivalence: as given, or from fp32's own seeds: 2.8 times their standard deviation, the difference
//     that two runs of one procedure exceed in one of twenty pairs (repeatability limit, ISO 5725-6, 4.1). Equal means
//     that the whole interval lies inside the margin: two one-sided tests, each at half of what the interval leaves out
//     (D. J. Schuirmann, J. Pharmacokin. Biopharm. 15, 1987).
//   * worse: the interval lies above 0, and it reaches the margin or its mean is beyond one standard deviation of
//     fp32's seeds: a difference that every seed shows is not the seeds' doing, even where a single run would hide it.
//   * diverged: on at least one seed where fp32 did not: its training loss (run_curve.h), or its held-out loss is not
//     finite in the end.
//   * where fp32 itself does not learn visibly on most seeds, recipes can hardly differ: equal is then undecided.
// Every recipe is judged by itself; nothing is corrected for their number.
#pragma once

#include "analysis/convergence/paired_interval.h"
#include "trace/schema/sweep.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::analysis {

enum class ConvergenceStanding : std::uint8_t {
    reference, ///< fp32 itself
    equal,     ///< within the margin
    better,    ///< surely better
    no_worse,  ///< surely not worse by the margin; it may be better
    worse,
    diverged,
    undecided,
};
[[nodiscard]] std::string_view name_of(ConvergenceStanding standing);

/// A final figure, over the seeds on which both runs have one.
struct FinalComparison {
    std::string metric; ///< "held-out loss", "held-out accuracy", "training loss"
    bool larger_is_better = false;
    double mean = 0, deviation = 0;  ///< the recipe's, over seeds
    double reference_mean = 0;       ///< fp32's on the same seeds
    double reference_deviation = 0;  ///< standard deviation of fp32's seeds (n - 1); NaN for fewer than two
    std::vector<double> differences; ///< recipe minus fp32, by seed
    PairedInterval interval;         ///< of their centre
    [[nodiscard]] bool known() const { return !differences.empty(); }
};

struct RecipeConvergence {
    std::string name;
    ConvergenceStanding standing = ConvergenceStanding::undecided;
    std::string sentence;
    std::vector<FinalComparison> comparisons; ///< the judged one first
    std::vector<std::uint64_t> diverged_seeds;
    std::int64_t diverged_at = -1; ///< earliest step of those
    std::int64_t spikes = 0;       ///< over all seeds
    std::int64_t skipped_steps = 0;
    /// By seed: steps until the smoothed training loss was at the target; -1: it never was.
    std::vector<std::int64_t> steps_to_target;
    /// First step of the stretch up to the end over which the smoothed training loss differs from fp32's in the same
    /// direction on every seed, on average by more than one standard deviation of fp32's seeds; -1: none, or under five
    /// seeds. A stretch shorter than the smoothing window does not count.
    std::int64_t parts_at = -1;

    /// The middle one of those seeds that reached the target (the later of two); -1 when fewer than half did.
    [[nodiscard]] std::int64_t median_steps_to_target() const;
};

struct ConvergenceQuestion {
    std::string metric = "loss";  ///< which held-out figure is judged: "loss" or "accuracy"
    std::optional<double> margin; ///< in the metric's unit, positive
    std::optional<double> target; ///< training loss to be reached
};

struct Convergence {
    trace::Session session;            ///< what was asked for and where it ran; filled by the caller
    std::int64_t evaluate_every = 0;   ///< as well
    std::int64_t held_out_samples = 0; ///< that every evaluation looked at; as well
    std::vector<trace::SweepRun> runs; ///< recipe by recipe, seeds ascending
    std::vector<std::uint64_t> seeds;
    std::int64_t steps = 0;
    double margin = std::numeric_limits<double>::quiet_NaN();
    std::string margin_source;
    double target = std::numeric_limits<double>::quiet_NaN();
    std::string target_source;
    std::size_t learning_seeds = 0;         ///< fp32's, whose training loss falls visibly (twin_soundness.h)
    std::vector<RecipeConvergence> recipes; ///< fp32 first
    [[nodiscard]] std::vector<const trace::SweepRun *> runs_of(std::string_view recipe) const;
};

inline constexpr std::string_view reference_recipe = "fp32";
inline constexpr std::size_t least_seeds = 5;
inline constexpr double repeatability_factor = 2.8;

/// `runs` are complete, recipe by recipe, with the same seeds in the same order each; one recipe is "fp32". Throws
/// std::invalid_argument otherwise, and when the question's metric was not evaluated.
[[nodiscard]] Convergence judge_convergence(std::vector<trace::SweepRun> runs, const ConvergenceQuestion &question);

} // namespace halfscope::analysis
