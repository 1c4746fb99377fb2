#include "analysis/convergence/other_run.h"

#include "analysis/compare/loss_curve.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {
namespace {

/// One value per run of a recipe.
void add_range(OtherRun &other, const std::string &recipe, std::vector<double> values) {
    std::erase_if(values, [](double value) { return !std::isfinite(value); });
    if (values.empty()) return;
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    other.ranges.push_back({recipe, mean_of(values, 0, values.size()), *low, *high});
}

void compare_training(OtherRun &other, const Convergence &c) {
    const trace::Curve &curve = other.curve;
    const std::int64_t end = std::min(c.steps, curve.steps.back() + 1);
    const std::int64_t begin = end - static_cast<std::int64_t>(final_window(static_cast<std::size_t>(c.steps)));
    std::vector<std::size_t> steps;
    double sum = 0;
    for (std::size_t i = 0; i < curve.steps.size(); ++i)
        if (curve.steps[i] >= std::max<std::int64_t>(0, begin) && curve.steps[i] < end) {
            steps.push_back(static_cast<std::size_t>(curve.steps[i]));
            sum += curve.values[i];
        }
    if (steps.empty()) return;
    other.value = sum / static_cast<double>(steps.size());
    other.first_step = static_cast<std::int64_t>(steps.front());
    other.last_step = static_cast<std::int64_t>(steps.back());
    for (const RecipeConvergence &recipe : c.recipes) {
        std::vector<double> means;
        for (const trace::SweepRun *run : c.runs_of(recipe.name)) {
            double own = 0;
            for (const std::size_t step : steps) own += step < run->steps.size() ? run->steps[step].loss : std::nan("");
            means.push_back(own / static_cast<double>(steps.size()));
        }
        add_range(other, recipe.name, std::move(means));
    }
}

/// On the straight line between the neighbouring points; NaN outside.
double at_step(const trace::Curve &curve, std::int64_t step) {
    const auto after = std::lower_bound(curve.steps.begin(), curve.steps.end(), step);
    if (after == curve.steps.end()) return std::nan("");
    const auto i = static_cast<std::size_t>(after - curve.steps.begin());
    if (*after == step) return curve.values[i];
    if (i == 0) return std::nan("");
    const double share =
        static_cast<double>(step - curve.steps[i - 1]) / static_cast<double>(curve.steps[i] - curve.steps[i - 1]);
    return curve.values[i - 1] + share * (curve.values[i] - curve.values[i - 1]);
}

void compare_held_out(OtherRun &other, const Convergence &c) {
    const std::string metric = other.curve.quantity == trace::Quantity::held_out_loss ? "loss" : "accuracy";
    for (const trace::Evaluation &evaluation : c.runs_of(reference_recipe).front()->evaluations)
        if (evaluation.metric == metric && !std::isnan(at_step(other.curve, evaluation.step)))
            other.first_step = other.last_step = evaluation.step;
    if (other.last_step < 0) return;
    other.value = at_step(other.curve, other.last_step);
    for (const RecipeConvergence &recipe : c.recipes) {
        std::vector<double> values;
        for (const trace::SweepRun *run : c.runs_of(recipe.name))
            for (const trace::Evaluation &evaluation : run->evaluations)
                if (evaluation.metric == metric && evaluation.step == other.last_step)
                    values.push_back(evaluation.value);
        add_range(other, recipe.name, std::move(values));
    }
}

std::string sentence_of(const OtherRun &other) {
    const std::string who =
        fmt::format("{} ({}, {})", other.curve.file, other.curve.column, name_of(other.curve.quantity));
    if (other.last_step < 0 || other.ranges.empty())
        return fmt::format("{}: it has no step in common with this sweep.", who);
    const std::string where = other.first_step == other.last_step
                                  ? fmt::format("at step {}", other.last_step)
                                  : fmt::format("over steps {} to {}", other.first_step, other.last_step);
    if (!std::isfinite(other.value)) return fmt::format("{}: it is not finite {}.", who, where);
    const auto nearest = std::find_if(other.ranges.begin(), other.ranges.end(),
                                      [&](const OwnRange &range) { return range.recipe == other.nearest; });
    const std::string beside =
        fmt::format("{:+.2g} from the nearest recipe's mean, {} ({}, seeds {} to {})", other.value - nearest->mean,
                    nearest->recipe, figure(nearest->mean), figure(nearest->low), figure(nearest->high));
    if (other.within.empty())
        return fmt::format("{}: {} {}, outside the seeds of every recipe; {}.", who, figure(other.value), where,
                           beside);
    return fmt::format("{}: {} {}, between the seeds of {}; {}.", who, figure(other.value), where,
                       fmt::join(other.within, ", "), beside);
}

} // namespace

std::string_view name_of(trace::Quantity quantity) {
    switch (quantity) {
    case trace::Quantity::training_loss: return "training loss";
    case trace::Quantity::held_out_loss: return "held-out loss";
    case trace::Quantity::held_out_accuracy: break;
    }
    return "held-out accuracy";
}

OtherRun compare_other(const trace::Curve &curve, const Convergence &convergence) {
    OtherRun other;
    other.curve = curve;
    if (curve.quantity == trace::Quantity::training_loss)
        compare_training(other, convergence);
    else
        compare_held_out(other, convergence);
    double distance = std::numeric_limits<double>::infinity();
    for (const OwnRange &range : other.ranges) {
        if (range.low <= other.value && other.value <= range.high) other.within.push_back(range.recipe);
        if (const double away = std::abs(other.value - range.mean); away < distance) {
            distance = away;
            other.nearest = range.recipe;
        }
    }
    other.sentence = sentence_of(other);
    return other;
}

} // namespace halfscope::analysis
