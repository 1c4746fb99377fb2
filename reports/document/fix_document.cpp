#include "reports/document/fix_document.h"

#include <fstream>

namespace halfscope::reports {
namespace {

using analysis::Fix, analysis::Verdict;

Verdict verdict_named(const std::string &name) {
    for (const Verdict verdict : {Verdict::safe, Verdict::risky, Verdict::unsafe})
        if (analysis::name_of(verdict) == name) return verdict;
    return Verdict::no_verdict;
}

std::optional<trace::StepCost> cost_from(const Json &json) {
    if (json.is_null()) return std::nullopt;
    trace::StepCost cost;
    cost.weight_bytes = json.at("weight_bytes");
    cost.master_bytes = json.at("master_bytes");
    cost.gradient_bytes = json.at("gradient_bytes");
    cost.state_bytes = json.at("state_bytes");
    cost.activation_bytes = json.at("activation_bytes");
    cost.multiply_adds = json.at("multiply_adds");
    cost.multiply_adds_16bit = json.at("multiply_adds_16bit");
    return cost;
}

Fix fix_from(const Json &json) {
    Fix fix;
    fix.found = json.at("found");
    fix.sentence = json.at("sentence");
    fix.changes = json.at("changes").get<std::vector<std::string>>();
    fix.headline = json.at("headline");
    fix.minimal = json.at("minimal");
    if (const Json &confirmed = json.at("confirmed"); !confirmed.is_null()) {
        fix.confirmed_seed = confirmed.at("seed").get<std::uint64_t>();
        fix.confirmed_verdict = verdict_named(confirmed.at("verdict").get<std::string>());
    }
    fix.cost = cost_from(json.at("cost"));
    fix.cost_sentence = json.at("cost_sentence");
    fix.overlay = json.at("overlay");
    fix.overlay_file = json.at("overlay_file");
    fix.command = json.at("command");
    fix.pytorch = json.at("pytorch").get<std::vector<std::string>>();
    for (const Json &attempt : json.at("attempts"))
        fix.attempts.push_back({attempt.at("changes").get<std::vector<std::string>>(),
                                verdict_named(attempt.at("verdict").get<std::string>()), attempt.at("headline")});
    fix.seconds = json.at("seconds");
    return fix;
}

} // namespace

Json cost_document(const std::optional<trace::StepCost> &cost) {
    if (!cost) return nullptr;
    return {{"bytes", cost->bytes()},
            {"weight_bytes", cost->weight_bytes},
            {"master_bytes", cost->master_bytes},
            {"gradient_bytes", cost->gradient_bytes},
            {"state_bytes", cost->state_bytes},
            {"activation_bytes", cost->activation_bytes},
            {"multiply_adds", cost->multiply_adds},
            {"multiply_adds_16bit", cost->multiply_adds_16bit}};
}

Json fix_document(const std::optional<Fix> &fix) {
    if (!fix) return nullptr;
    Json attempts = Json::array(), confirmed = nullptr;
    for (const auto &attempt : fix->attempts)
        attempts.push_back({{"changes", attempt.changes},
                            {"verdict", analysis::name_of(attempt.verdict)},
                            {"headline", attempt.headline}});
    if (fix->confirmed_seed && fix->confirmed_verdict)
        confirmed = {{"seed", *fix->confirmed_seed}, {"verdict", analysis::name_of(*fix->confirmed_verdict)}};
    return {{"found", fix->found},
            {"sentence", fix->sentence},
            {"changes", fix->changes},
            {"headline", fix->headline},
            {"minimal", fix->minimal},
            {"confirmed", std::move(confirmed)},
            {"cost", cost_document(fix->cost)},
            {"cost_sentence", fix->cost_sentence},
            {"overlay", fix->overlay},
            {"overlay_file", fix->overlay_file},
            {"command", fix->command},
            {"pytorch", fix->pytorch},
            {"attempts", std::move(attempts)},
            {"seconds", fix->seconds}};
}

void restore_fixes(analysis::Assessment &assessment, const std::filesystem::path &directory) {
    std::ifstream file(directory / "report.json");
    const Json report = Json::parse(file, nullptr, false);
    if (!report.is_object() || report.value("command", "") != assessment.session.command) return;
    try {
        for (const Json &recipe : report.at("recipes")) {
            if (!recipe.contains("fix") || recipe.at("fix").is_null()) continue;
            for (auto &assessed : assessment.recipes)
                if (assessed.run.recipe == recipe.at("name")) assessed.fix = fix_from(recipe.at("fix"));
        }
    } catch (const Json::exception &) {
        // A document of another version: the trace, which is what was asked for, is whole without it.
    }
}

} // namespace halfscope::reports
