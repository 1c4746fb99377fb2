#include "reports/document/convergence_document.h"

#include "reports/document/csv_field.h"
#include "reports/document/document.h"
#include "reports/document/output_file.h"

#include <fmt/format.h>

#include <iterator>

namespace halfscope::reports {
namespace {

using analysis::Convergence;
using analysis::FinalComparison;
using analysis::OtherRun;
using analysis::RecipeConvergence;

Json numbers(std::span<const double> values) {
    Json list = Json::array();
    for (const double value : values) list.push_back(number_or_name(value));
    return list;
}

Json comparison_of(const FinalComparison &c, bool reference) {
    Json document = {{"metric", c.metric},
                     {"larger_is_better", c.larger_is_better},
                     {"mean", c.known() ? number_or_name(c.mean) : Json(nullptr)},
                     {"deviation", number_or_name(c.deviation)}};
    if (reference) return document;
    document["reference_mean"] = c.known() ? number_or_name(c.reference_mean) : Json(nullptr);
    document["differences"] = numbers(c.differences);
    document["difference"] = c.known() ? number_or_name(c.interval.mean) : Json(nullptr);
    document["interval"] = c.interval.coverage > 0 ? Json{{"low", number_or_name(c.interval.low)},
                                                          {"high", number_or_name(c.interval.high)},
                                                          {"coverage", c.interval.coverage}}
                                                   : Json(nullptr);
    document["p"] = c.known() ? Json(c.interval.p) : Json(nullptr);
    return document;
}

Json run_of(const trace::SweepRun &run) {
    Json loss = Json::array(), scale = Json::array(), skipped = Json::array(), evaluations = Json::array();
    for (const trace::Step &step : run.steps) {
        loss.push_back(number_or_name(step.loss));
        scale.push_back(number_or_name(step.loss_scale));
        if (step.skipped) skipped.push_back(step.step);
    }
    for (const trace::Evaluation &evaluation : run.evaluations)
        evaluations.push_back(
            {{"step", evaluation.step}, {"metric", evaluation.metric}, {"value", number_or_name(evaluation.value)}});
    return {{"seed", run.key.seed},
            {"loss", std::move(loss)},
            {"loss_scale", std::move(scale)},
            {"skipped_at", std::move(skipped)},
            {"evaluations", std::move(evaluations)},
            {"stopped", run.stopped.empty() ? Json(nullptr) : Json(run.stopped)}};
}

Json recipe_of(const RecipeConvergence &recipe, const Convergence &whole) {
    const bool reference = recipe.standing == analysis::ConvergenceStanding::reference;
    Json comparisons = Json::array(), to_target = Json::array(), runs = Json::array();
    for (const FinalComparison &c : recipe.comparisons) comparisons.push_back(comparison_of(c, reference));
    for (const std::int64_t steps : recipe.steps_to_target) to_target.push_back(step_or_null(steps));
    for (const trace::SweepRun *run : whole.runs_of(recipe.name)) runs.push_back(run_of(*run));
    return {{"name", recipe.name},
            {"standing", analysis::name_of(recipe.standing)},
            {"sentence", recipe.sentence},
            {"comparisons", std::move(comparisons)},
            {"steps_to_target", std::move(to_target)},
            {"median_steps_to_target", step_or_null(recipe.median_steps_to_target())},
            {"parts_at", step_or_null(recipe.parts_at)},
            {"diverged_seeds", recipe.diverged_seeds},
            {"diverged_at", step_or_null(recipe.diverged_at)},
            {"spikes", recipe.spikes},
            {"skipped_steps", recipe.skipped_steps},
            {"runs", std::move(runs)}};
}

Json other_of(const OtherRun &other) {
    Json ranges = Json::array();
    for (const analysis::OwnRange &range : other.ranges)
        ranges.push_back({{"recipe", range.recipe},
                          {"mean", number_or_name(range.mean)},
                          {"low", number_or_name(range.low)},
                          {"high", number_or_name(range.high)}});
    return {{"file", other.curve.file},
            {"column", other.curve.column},
            {"quantity", analysis::name_of(other.curve.quantity)},
            {"first_step", step_or_null(other.first_step)},
            {"last_step", step_or_null(other.last_step)},
            {"value", other.last_step < 0 ? Json(nullptr) : number_or_name(other.value)},
            {"recipes", std::move(ranges)},
            {"within", other.within},
            {"nearest", other.nearest.empty() ? Json(nullptr) : Json(other.nearest)},
            {"sentence", other.sentence},
            {"steps", other.curve.steps},
            {"values", numbers(other.curve.values)}};
}

std::string_view column_name(trace::Quantity quantity) {
    switch (quantity) {
    case trace::Quantity::training_loss: return "training_loss";
    case trace::Quantity::held_out_loss: return "held_out_loss";
    case trace::Quantity::held_out_accuracy: break;
    }
    return "held_out_accuracy";
}

} // namespace

Json to_document(const Convergence &whole, std::span<const OtherRun> others) {
    const trace::Session &session = whole.session;
    Json recipes = Json::array(), compared = Json::array();
    for (const RecipeConvergence &recipe : whole.recipes) recipes.push_back(recipe_of(recipe, whole));
    for (const OtherRun &other : others) compared.push_back(other_of(other));
    return {{"schema", "halfscope.converge/1"},
            {"halfscope_version", session.halfscope_version},
            {"model", session.model},
            {"model_name", session.model_name},
            {"parameters", session.parameters},
            {"data", session.data},
            {"command", session.command},
            {"settings", session.settings},
            {"notes", session.notes},
            {"environment", session.environment},
            {"seeds", whole.seeds},
            {"steps", whole.steps},
            {"evaluate_every", whole.evaluate_every},
            {"held_out_samples", whole.held_out_samples},
            {"margin", {{"value", number_or_name(whole.margin)}, {"source", whole.margin_source}}},
            {"target", {{"training_loss", number_or_name(whole.target)}, {"source", whole.target_source}}},
            {"recipes", std::move(recipes)},
            {"others", std::move(compared)}};
}

void write_json(const Convergence &convergence, std::span<const OtherRun> others, const std::filesystem::path &file) {
    write_output_file(file, to_text(to_document(convergence, others)));
}

std::string to_csv(const Convergence &whole, std::span<const OtherRun> others) {
    std::string table = "run,seed,step,quantity,value\n";
    const auto row = [&](const std::string &run, const std::string &seed, std::int64_t step, std::string_view quantity,
                         double value) {
        fmt::format_to(std::back_inserter(table), "{},{},{},{},{}\n", csv_field(run), seed, step, quantity,
                       csv_number(value));
    };
    for (const trace::SweepRun &run : whole.runs) {
        const std::string seed = std::to_string(run.key.seed);
        for (const trace::Step &step : run.steps) {
            row(run.key.recipe, seed, step.step, "training_loss", step.loss);
            row(run.key.recipe, seed, step.step, "loss_scale", step.loss_scale);
            row(run.key.recipe, seed, step.step, "skipped", step.skipped ? 1 : 0);
            row(run.key.recipe, seed, step.step, "gradient_norm", step.gradient_norm);
            row(run.key.recipe, seed, step.step, "learning_rate", step.learning_rate);
        }
        for (const trace::Evaluation &evaluation : run.evaluations)
            row(run.key.recipe, seed, evaluation.step, "held_out_" + evaluation.metric, evaluation.value);
    }
    for (const OtherRun &other : others)
        for (std::size_t i = 0; i < other.curve.steps.size(); ++i)
            row(other.curve.file, "", other.curve.steps[i], column_name(other.curve.quantity), other.curve.values[i]);
    return table;
}

} // namespace halfscope::reports
