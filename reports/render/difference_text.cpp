#include "reports/render/difference_text.h"

#include "analysis/statistics/wording.h"
#include "reports/render/difference_wording.h"
#include "reports/render/hanging_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::reports {
namespace {

constexpr std::size_t most_layers = 8;

Tone tone_of(const analysis::RecipeChange &change) {
    if (change.worse()) return Tone::bad;
    return change.same_verdict() || change.before == nullptr || change.after == nullptr ? Tone::plain : Tone::good;
}

} // namespace

std::string difference_text(const analysis::RunDifference &difference, std::string_view before, std::string_view after,
                            const TerminalStyle &style) {
    HangingText text(style);
    const auto beside = [&](std::size_t indent, std::string_view lead, std::string_view words) {
        text.hanging(std::string(indent, ' ') + toned(lead, Tone::faint, style), words);
    };
    text.put(
        fmt::format("HalfScope · {} beside {}", toned(before, Tone::strong, style), toned(after, Tone::strong, style)));
    text.put();
    std::size_t name_width = 4;
    for (const auto &recipe : difference.recipes) name_width = std::max(name_width, columns(recipe.name));
    const double before_loss = difference.reference_before, after_loss = difference.reference_after;
    const bool as_before = before_loss == after_loss || (std::isnan(before_loss) && std::isnan(after_loss));
    text.put(fmt::format("  {}  final loss {}{}", fitted("fp32", name_width, style), analysis::figure(before_loss),
                         as_before ? ", as before" : " → " + analysis::figure(after_loss)));
    for (const auto &recipe : difference.recipes) {
        const std::string outcome = outcome_change(recipe);
        text.put(
            fmt::format("  {}  {}{}", fitted(recipe.name, name_width, style),
                        toned(verdict_change(recipe, std::string(before), std::string(after)), tone_of(recipe), style),
                        outcome.empty() ? "" : "; " + outcome));
        const std::size_t indent = name_width + 4;
        for (const analysis::Finding *finding : recipe.appeared)
            beside(indent, "new   ", fmt::format("{}: {}", finding_name(*finding), finding->evidence));
        for (const analysis::Finding *finding : recipe.gone) beside(indent, "gone  ", finding_name(*finding));
        for (std::size_t i = 0; i < std::min(most_layers, recipe.layers.size()); ++i)
            beside(indent, "layer ", layer_change(recipe.layers[i]));
        if (recipe.layers.size() > most_layers)
            beside(indent, "      ", fmt::format("and {} more", recipe.layers.size() - most_layers));
    }
    if (!difference.facts.empty()) {
        text.put();
        text.put("What else differs");
        std::size_t width = 4;
        for (const auto &fact : difference.facts) width = std::max(width, columns(fact.name));
        for (const auto &fact : difference.facts)
            beside(
                2, fitted(fact.name, width, style) + "  ",
                fmt::format("{} → {}", fact.before.empty() ? "-" : fact.before, fact.after.empty() ? "-" : fact.after));
    }
    return text.take();
}

} // namespace halfscope::reports
