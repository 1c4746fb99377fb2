#include "analysis/compare/run_difference.h"

#include "analysis/compare/twin_soundness.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace halfscope::analysis {
namespace {

void compare_facts(const std::map<std::string, std::string> &before, const std::map<std::string, std::string> &after,
                   std::vector<FactChange> &facts) {
    std::set<std::string> names;
    for (const auto &[name, value] : before) names.insert(name);
    for (const auto &[name, value] : after) names.insert(name);
    const auto value_in = [](const std::map<std::string, std::string> &all, const std::string &name) {
        const auto found = all.find(name);
        return found == all.end() ? std::string() : found->second;
    };
    for (const std::string &name : names)
        if (value_in(before, name) != value_in(after, name))
            facts.push_back({name, value_in(before, name), value_in(after, name)});
}

std::vector<FactChange> facts_of(const trace::Session &before, const trace::Session &after) {
    const auto own = [](const trace::Session &session) {
        return std::map<std::string, std::string>{{"model", session.model},
                                                  {"data", session.data},
                                                  {"parameters", std::to_string(session.parameters)},
                                                  {"halfscope", session.halfscope_version}};
    };
    std::vector<FactChange> facts;
    compare_facts(own(before), own(after), facts);
    compare_facts(before.settings, after.settings, facts);
    compare_facts(before.environment, after.environment, facts);
    return facts;
}

bool same_cause(const Finding &a, const Finding &b) {
    return a.detector == b.detector && a.layer == b.layer && a.tensor == b.tensor;
}

std::vector<const Finding *> missing_in(const std::vector<Finding> &some, const std::vector<Finding> &others) {
    std::vector<const Finding *> missing;
    for (const Finding &finding : some)
        if (std::none_of(others.begin(), others.end(), [&](const Finding &o) { return same_cause(finding, o); }))
            missing.push_back(&finding);
    return missing;
}

template <typename Named> const Named *named(const std::vector<Named> &all, const std::string &name) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Named &one) { return one.name == name; });
    return found == all.end() ? nullptr : &*found;
}

std::vector<LayerChange> layers_of(const std::vector<LayerSummary> &before, const std::vector<LayerSummary> &after) {
    std::vector<LayerChange> changes;
    for (const LayerSummary &layer : after) {
        const LayerSummary *earlier = named(before, layer.name);
        if (earlier == nullptr) continue;
        const auto note = [&](const std::string &tensor, const char *figure, double was, double is) {
            if (std::fabs(is - was) >= least_change) changes.push_back({layer.name, tensor, figure, was, is});
        };
        if (earlier->fidelity_retained && layer.fidelity_retained)
            note("", "update retained", *earlier->fidelity_retained, *layer.fidelity_retained);
        for (const TensorSummary &tensor : layer.tensors) {
            const TensorSummary *was = named(earlier->tensors, tensor.name);
            if (was == nullptr) continue;
            note(tensor.name, "underflow", was->underflow_share, tensor.underflow_share);
            note(tensor.name, "overflow", was->overflow_share, tensor.overflow_share);
            if (was->lost_share && tensor.lost_share) note(tensor.name, "lost", *was->lost_share, *tensor.lost_share);
        }
    }
    std::stable_sort(changes.begin(), changes.end(), [](const LayerChange &a, const LayerChange &b) {
        return std::fabs(a.after - a.before) > std::fabs(b.after - b.before);
    });
    return changes;
}

double final_loss_of(const ReferenceAssessment &reference) {
    std::vector<double> losses;
    for (const trace::Step &step : reference.steps) losses.push_back(step.loss);
    return judge_twin(losses).final;
}

const RecipeAssessment *recipe_of(const Assessment &assessment, const std::string &name) {
    for (const RecipeAssessment &recipe : assessment.recipes)
        if (recipe.run.recipe == name) return &recipe;
    return nullptr;
}

} // namespace

bool RecipeChange::worse() const {
    return before != nullptr && after != nullptr && before->verdict != Verdict::no_verdict &&
           after->verdict != Verdict::no_verdict && after->verdict > before->verdict;
}

bool RecipeChange::same_verdict() const {
    return before != nullptr && after != nullptr && before->verdict == after->verdict;
}

bool RunDifference::worse() const {
    return std::any_of(recipes.begin(), recipes.end(), [](const RecipeChange &recipe) { return recipe.worse(); });
}

RunDifference difference_of(const Assessment &before, const Assessment &after) {
    RunDifference difference;
    difference.facts = facts_of(before.session, after.session);
    difference.reference_before = final_loss_of(before.reference);
    difference.reference_after = final_loss_of(after.reference);
    for (const RecipeAssessment &recipe : after.recipes) {
        RecipeChange change;
        change.name = recipe.run.recipe;
        change.after = &recipe;
        change.before = recipe_of(before, change.name);
        if (change.before != nullptr) {
            change.appeared = missing_in(recipe.findings, change.before->findings);
            change.gone = missing_in(change.before->findings, recipe.findings);
            change.layers = layers_of(change.before->layers, recipe.layers);
        }
        difference.recipes.push_back(std::move(change));
    }
    for (const RecipeAssessment &recipe : before.recipes)
        if (recipe_of(after, recipe.run.recipe) == nullptr) {
            RecipeChange change;
            change.name = recipe.run.recipe;
            change.before = &recipe;
            difference.recipes.push_back(std::move(change));
        }
    return difference;
}

} // namespace halfscope::analysis
