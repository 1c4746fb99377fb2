#include "reports/document/document.h"

#include "reports/document/fix_document.h"
#include "reports/document/output_file.h"
#include "reports/document/statistics.h"

#include <algorithm>

namespace halfscope::reports {
namespace {

/// One field of the steps, a number a step.
Json per_step(const std::vector<trace::Step> &steps, double trace::Step::*field) {
    Json numbers = Json::array();
    for (const auto &step : steps) numbers.push_back(number_or_name(step.*field));
    return numbers;
}

Json evaluations_of(const std::vector<trace::Evaluation> &evaluations) {
    Json list = Json::array();
    for (const auto &evaluation : evaluations)
        list.push_back(
            {{"step", evaluation.step}, {"metric", evaluation.metric}, {"value", number_or_name(evaluation.value)}});
    return list;
}

Json events_of(const std::vector<trace::Event> &events) {
    Json list = Json::array();
    for (const auto &event : events)
        list.push_back({{"step", event.step},
                        {"kind", event.kind},
                        {"layer", event.layer},
                        {"operation", event.operation},
                        {"backward", event.backward},
                        {"input_amax", number_or_name(event.input_amax)},
                        {"limit", number_or_name(event.limit)},
                        {"scale_dependent", event.scale_dependent},
                        {"detail", event.detail}});
    return list;
}

Json layers_of(const std::vector<analysis::LayerSummary> &layers) {
    Json list = Json::array();
    for (const auto &layer : layers)
        list.push_back({{"name", layer.name},
                        {"policy", layer.policy},
                        {"has_gradients", layer.has_gradients},
                        {"scale_window_log2", range_or_null(layer.scale_window_log2)},
                        {"fidelity",
                         {{"cosine", number_or_null(layer.fidelity_cosine)},
                          {"norm_ratio", number_or_null(layer.fidelity_norm_ratio)},
                          {"moved", number_or_null(layer.fidelity_moved)},
                          {"retained", number_or_null(layer.fidelity_retained)}}},
                        {"tensors", statistics_by_role(layer.tensors)}});
    return list;
}

Json findings_of(const std::vector<analysis::Finding> &findings) {
    Json list = Json::array();
    for (const auto &finding : findings)
        list.push_back({{"detector", finding.detector},
                        {"severity", analysis::name_of(finding.severity)},
                        {"layer", finding.layer},
                        {"tensor", finding.tensor},
                        {"first_step", step_or_null(finding.first_step)},
                        {"evidence", finding.evidence},
                        {"cause", finding.cause},
                        {"remedy", finding.remedy}});
    return list;
}

Json outcome_of(const analysis::Outcome &outcome) {
    return {{"reference_final", number_or_name(outcome.reference_final)},
            {"final", number_or_name(outcome.final)},
            {"difference", number_or_name(outcome.difference)},
            {"noise", number_or_name(outcome.noise)},
            {"noise_source", outcome.noise_source},
            {"diverged", outcome.diverged},
            {"stalled", outcome.stalled},
            {"parts_at", step_or_null(outcome.parts_at)},
            {"progress", number_or_name(outcome.progress)},
            {"behind", number_or_name(outcome.behind)},
            {"sentence", outcome.sentence}};
}

Json loss_scale_of(const analysis::RecipeAssessment &recipe) {
    Json trajectory = Json::array(), skipped_at = Json::array();
    for (const auto &step : recipe.steps) {
        trajectory.push_back(number_or_name(step.loss_scale));
        if (step.skipped) skipped_at.push_back(step.step);
    }
    return {{"rule", recipe.run.loss_scale_rule},
            {"skipped_steps", recipe.skipped_steps},
            {"window_log2", range_or_null(recipe.scale_window_log2)},
            {"window_sentence", recipe.scale_window_sentence},
            {"trajectory", std::move(trajectory)},
            {"skipped_at", std::move(skipped_at)}};
}

Json fidelity_of(const std::vector<analysis::FidelityPoint> &points) {
    Json list = Json::array();
    for (const auto &point : points)
        list.push_back({{"step", point.step},
                        {"cosine", number_or_name(point.cosine)},
                        {"norm_ratio", number_or_name(point.norm_ratio)},
                        {"moved", number_or_name(point.moved)},
                        {"retained", number_or_name(point.retained)}});
    return {{"points", std::move(list)}};
}

Json run_of(const trace::Run &run) {
    return {{"description", run.description},
            {"compute_format", run.compute_format},
            {"weight_format", run.weight_format},
            {"master_weights", run.master_weights},
            {"optimizer", run.optimizer},
            {"state_format", run.state_format},
            {"seed", run.seed},
            {"planned_steps", run.planned_steps},
            {"cost", cost_document(run.cost)}};
}

Json recipe_of(const analysis::RecipeAssessment &recipe) {
    return {{"name", recipe.run.recipe},
            {"verdict", analysis::name_of(recipe.verdict)},
            {"headline", recipe.headline},
            {"confidence", recipe.confidence},
            {"complete", recipe.complete},
            {"findings", findings_of(recipe.findings)},
            {"outcome", outcome_of(recipe.outcome)},
            {"run", run_of(recipe.run)},
            {"loss", per_step(recipe.steps, &trace::Step::loss)},
            {"loss_in_fp32", per_step(recipe.steps, &trace::Step::loss_in_fp32)},
            {"gradient_norm", per_step(recipe.steps, &trace::Step::gradient_norm)},
            {"loss_scale", loss_scale_of(recipe)},
            {"fidelity", fidelity_of(recipe.fidelity)},
            {"evaluations", evaluations_of(recipe.evaluations)},
            {"events", events_of(recipe.events)},
            {"layers", layers_of(recipe.layers)},
            {"fix", fix_document(recipe.fix)}};
}

Json reference_of(const analysis::ReferenceAssessment &reference) {
    Json siblings = Json::array();
    for (const auto &losses : reference.sibling_losses) {
        Json sibling = Json::array();
        for (const double loss : losses) sibling.push_back(number_or_name(loss));
        siblings.push_back(std::move(sibling));
    }
    return {{"name", reference.run.recipe},
            {"sound", reference.sound},
            {"problem", reference.problem},
            {"complete", reference.complete},
            {"run", run_of(reference.run)},
            {"loss", per_step(reference.steps, &trace::Step::loss)},
            {"gradient_norm", per_step(reference.steps, &trace::Step::gradient_norm)},
            {"sibling_losses", std::move(siblings)},
            {"evaluations", evaluations_of(reference.evaluations)},
            {"layers", layers_of(reference.layers)}};
}

bool is_array_of_scalars(const Json &value) {
    return value.is_array() &&
           std::none_of(value.begin(), value.end(), [](const Json &item) { return item.is_structured(); });
}

void append_text(std::string &text, const Json &value, std::size_t depth) {
    if (!value.is_structured() || value.empty() || is_array_of_scalars(value)) {
        text += value.dump(-1, ' ', false, Json::error_handler_t::replace);
        return;
    }
    const std::string indent(2 * (depth + 1), ' ');
    const bool object = value.is_object();
    text += object ? "{\n" : "[\n";
    bool first = true;
    for (const auto &[key, item] : value.items()) {
        if (!first) text += ",\n";
        first = false;
        text += indent;
        if (object) text += Json(key).dump(-1, ' ', false, Json::error_handler_t::replace) + ": ";
        append_text(text, item, depth + 1);
    }
    text += '\n' + std::string(2 * depth, ' ') + (object ? '}' : ']');
}

/// A device beside the emulator.
Json lockstep_of(const std::vector<trace::Lockstep> &records) {
    std::int64_t elements = 0, bit_equal = 0, different_statistics = 0;
    Json operations = Json::array();
    for (const trace::Lockstep &record : records) {
        elements += record.elements;
        bit_equal += record.bit_equal;
        different_statistics += record.different_statistics;
        operations.push_back({{"layer", record.layer},
                              {"operation", record.operation},
                              {"runs", record.runs},
                              {"elements", record.elements},
                              {"bit_equal", record.bit_equal},
                              {"different_statistics", record.different_statistics}});
    }
    return {{"elements", elements},
            {"bit_equal", bit_equal},
            {"different_statistics", different_statistics},
            {"operations", std::move(operations)}};
}

} // namespace

Json to_document(const analysis::Assessment &assessment) {
    const auto &session = assessment.session;
    Json recipes = Json::array();
    for (const auto &recipe : assessment.recipes) recipes.push_back(recipe_of(recipe));
    Json document = {{"schema", report_schema},          {"halfscope_version", session.halfscope_version},
                     {"model", session.model},           {"model_name", session.model_name},
                     {"parameters", session.parameters}, {"data", session.data},
                     {"command", session.command},       {"settings", session.settings},
                     {"notes", session.notes},           {"environment", session.environment}};
    if (document["settings"].is_null()) document["settings"] = Json::object();
    if (document["environment"].is_null()) document["environment"] = Json::object();
    document["recipes"] = std::move(recipes);
    document["reference"] = reference_of(assessment.reference);
    if (!assessment.lockstep.empty()) document["lockstep"] = lockstep_of(assessment.lockstep);
    return document;
}

std::string to_text(const Json &document) {
    std::string text;
    append_text(text, document, 0);
    return text += '\n';
}

void write_json(const analysis::Assessment &assessment, const std::filesystem::path &file) {
    write_output_file(file, to_text(to_document(assessment)));
}

} // namespace halfscope::reports
