#include "reports/render/difference_wording.h"

#include <fmt/format.h>

namespace halfscope::reports {
namespace {

std::string percent(double share) { return fmt::format("{:.3g} %", 100 * share); }

std::string moved(const std::string &before, const std::string &after) {
    return before == after ? after : before + " → " + after;
}

} // namespace

std::string verdict_change(const analysis::RecipeChange &change, const std::string &before, const std::string &after) {
    if (change.before == nullptr) return fmt::format("only in {}: {}", after, name_of(change.after->verdict));
    if (change.after == nullptr) return fmt::format("only in {}: {}", before, name_of(change.before->verdict));
    if (change.same_verdict()) return fmt::format("{}, as before", name_of(change.after->verdict));
    return fmt::format("{} → {}", name_of(change.before->verdict), name_of(change.after->verdict));
}

std::string outcome_change(const analysis::RecipeChange &change) {
    if (change.before == nullptr || change.after == nullptr) return "";
    const analysis::RecipeAssessment &before = *change.before, &after = *change.after;
    std::string text =
        "final loss " + moved(fmt::format("{:.4g}", before.outcome.final), fmt::format("{:.4g}", after.outcome.final));
    if (before.skipped_steps != after.skipped_steps)
        text += fmt::format(", {} → {} steps skipped", before.skipped_steps, after.skipped_steps);
    if (before.run.cost && after.run.cost && before.run.cost->bytes() != after.run.cost->bytes())
        text += fmt::format(", memory {:.4g} → {:.4g} MiB", static_cast<double>(before.run.cost->bytes()) / 0x1p20,
                            static_cast<double>(after.run.cost->bytes()) / 0x1p20);
    return text;
}

std::string layer_change(const analysis::LayerChange &change) {
    return fmt::format("{}{} {} → {}", change.layer.empty() ? "the model" : change.layer,
                       change.tensor.empty() ? ": " + change.figure
                                             : fmt::format(", {}: {}", change.tensor, change.figure),
                       percent(change.before), percent(change.after));
}

std::string finding_name(const analysis::Finding &finding) {
    return fmt::format("{}{} ({})", finding.detector, finding.layer.empty() ? "" : " in " + finding.layer,
                       name_of(finding.severity));
}

} // namespace halfscope::reports
