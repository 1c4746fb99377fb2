#include "analysis/convergence/convergence.h"

#include "analysis/compare/loss_curve.h"
#include "analysis/compare/twin_soundness.h"
#include "analysis/convergence/parting.h"
#include "analysis/convergence/run_curve.h"
#include "analysis/convergence/statement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace halfscope::analysis {
namespace {

using Runs = std::vector<const trace::SweepRun *>;

double final_training_loss(const trace::SweepRun &run) {
    const std::vector<double> losses = losses_of(run);
    const std::size_t window = final_window(losses.size());
    return mean_of(losses, losses.size() - window, window);
}

double final_value(const trace::SweepRun &run, const std::string &metric) {
    return metric == "training loss" ? final_training_loss(run) : last_value(run, metric.substr(9));
}

double deviation_of(std::span<const double> values) {
    if (values.size() < 2) return std::numeric_limits<double>::quiet_NaN();
    const double mean = mean_of(values, 0, values.size());
    double squares = 0;
    for (const double value : values) squares += (value - mean) * (value - mean);
    return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

FinalComparison compare(const Runs &recipe, const Runs &reference, const std::string &metric) {
    FinalComparison c;
    c.metric = metric;
    c.larger_is_better = metric == "held-out accuracy";
    std::vector<double> own, theirs;
    for (std::size_t i = 0; i < recipe.size(); ++i) {
        const double a = final_value(*recipe[i], metric), b = final_value(*reference[i], metric);
        if (!std::isfinite(a) || !std::isfinite(b)) continue;
        own.push_back(a);
        theirs.push_back(b);
        c.differences.push_back(a - b);
    }
    c.mean = mean_of(own, 0, own.size());
    c.deviation = deviation_of(own);
    c.reference_mean = mean_of(theirs, 0, theirs.size());
    c.reference_deviation = deviation_of(theirs);
    c.interval = paired_interval(c.differences);
    return c;
}

/// The judged metric first, then what else there is.
std::vector<std::string> metrics_of(const Runs &reference, const ConvergenceQuestion &question) {
    std::vector<std::string> metrics{"held-out " + question.metric};
    for (const std::string other : {"loss", "accuracy"}) {
        const bool evaluated =
            std::any_of(reference.front()->evaluations.begin(), reference.front()->evaluations.end(),
                        [&](const trace::Evaluation &evaluation) { return evaluation.metric == other; });
        if (other != question.metric && evaluated) metrics.push_back("held-out " + other);
        if (other == question.metric && !evaluated)
            throw std::invalid_argument(fmt::format("--metric {}: this model's loss gives no held-out {}; use "
                                                    "--metric loss",
                                                    question.metric, question.metric));
    }
    metrics.push_back("training loss");
    return metrics;
}

/// diverged_at(), or the last step of a run whose held-out loss is not finite in the end.
std::int64_t end_of_learning(const trace::SweepRun &run) {
    const std::int64_t diverged = diverged_at(losses_of(run));
    return diverged < 0 && !std::isfinite(last_value(run, "loss")) ? run.steps.back().step : diverged;
}

void count(RecipeConvergence &recipe, const Runs &runs, const Runs &reference, std::size_t window, double target) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const std::vector<double> losses = losses_of(*runs[i]);
        recipe.spikes += static_cast<std::int64_t>(spike_steps(losses).size());
        for (const trace::Step &step : runs[i]->steps) recipe.skipped_steps += step.skipped;
        const std::int64_t reached = first_at_or_below(losses, window, target);
        recipe.steps_to_target.push_back(reached < 0 ? -1 : reached + 1);
        const std::int64_t diverged = end_of_learning(*runs[i]);
        const bool own_fault = runs == reference || end_of_learning(*reference[i]) < 0;
        if (diverged < 0 || !own_fault) continue;
        recipe.diverged_seeds.push_back(runs[i]->key.seed);
        if (recipe.diverged_at < 0 || diverged < recipe.diverged_at) recipe.diverged_at = diverged;
    }
}

void check(const Convergence &c) {
    const Runs reference = c.runs_of(reference_recipe);
    if (reference.empty()) throw std::invalid_argument("a convergence sweep needs fp32 among its recipes");
    for (const trace::SweepRun &run : c.runs) {
        const Runs runs = c.runs_of(run.key.recipe);
        const bool paired = std::equal(runs.begin(), runs.end(), reference.begin(), reference.end(),
                                       [](const auto *a, const auto *b) { return a->key.seed == b->key.seed; });
        if (!paired || !run.complete || run.steps.empty())
            throw std::invalid_argument(
                fmt::format("the sweep's runs of {} and fp32 do not pair seed by seed", run.key.recipe));
    }
}

} // namespace

std::string_view name_of(ConvergenceStanding standing) {
    switch (standing) {
    case ConvergenceStanding::reference: return "reference";
    case ConvergenceStanding::equal: return "equal";
    case ConvergenceStanding::better: return "better";
    case ConvergenceStanding::no_worse: return "no worse";
    case ConvergenceStanding::worse: return "worse";
    case ConvergenceStanding::diverged: return "diverged";
    case ConvergenceStanding::undecided: break;
    }
    return "undecided";
}

std::int64_t RecipeConvergence::median_steps_to_target() const {
    std::vector<std::int64_t> reached;
    for (const std::int64_t steps : steps_to_target)
        if (steps >= 0) reached.push_back(steps);
    if (2 * reached.size() < steps_to_target.size() || reached.empty()) return -1;
    std::sort(reached.begin(), reached.end());
    return reached[reached.size() / 2];
}

Runs Convergence::runs_of(std::string_view recipe) const {
    Runs found;
    for (const trace::SweepRun &run : runs)
        if (run.key.recipe == recipe) found.push_back(&run);
    return found;
}

Convergence judge_convergence(std::vector<trace::SweepRun> runs, const ConvergenceQuestion &question) {
    Convergence c;
    c.runs = std::move(runs);
    check(c);
    const Runs reference = c.runs_of(reference_recipe);
    for (const trace::SweepRun *run : reference) {
        c.seeds.push_back(run->key.seed);
        c.learning_seeds += judge_twin(losses_of(*run)).learns ? 1 : 0;
        c.steps = std::max(c.steps, static_cast<std::int64_t>(run->steps.size()));
    }
    const std::vector<std::string> metrics = metrics_of(reference, question);
    const std::size_t window = final_window(static_cast<std::size_t>(c.steps));

    const FinalComparison own = compare(reference, reference, metrics.front());
    c.margin = question.margin.value_or(repeatability_factor * own.reference_deviation);
    c.margin_source = question.margin ? "--margin"
                                      : fmt::format("{} standard deviations of fp32's {} seeds", repeatability_factor,
                                                    own.differences.size());
    if (question.target) {
        c.target = *question.target;
        c.target_source = "--target";
    } else {
        for (const trace::SweepRun *run : reference)
            if (const double final = final_training_loss(*run); std::isfinite(final) && !(c.target > final))
                c.target = final;
        c.target_source = "where the slowest fp32 seed ends";
    }

    std::vector<std::string> names{std::string(reference_recipe)};
    for (const trace::SweepRun &run : c.runs)
        if (std::find(names.begin(), names.end(), run.key.recipe) == names.end()) names.push_back(run.key.recipe);
    for (const std::string &name : names) {
        const Runs of_recipe = c.runs_of(name);
        RecipeConvergence recipe;
        recipe.name = name;
        for (const std::string &metric : metrics) recipe.comparisons.push_back(compare(of_recipe, reference, metric));
        count(recipe, of_recipe, reference, window, c.target);
        if (name != reference_recipe && c.seeds.size() >= least_seeds)
            recipe.parts_at = parting(of_recipe, reference, window);
        c.recipes.push_back(std::move(recipe));
    }
    for (RecipeConvergence &recipe : c.recipes) state(recipe, c, question.margin.has_value());
    return c;
}

} // namespace halfscope::analysis
