#include "reports/render/difference_page.h"

#include "reports/render/difference_wording.h"
#include "reports/render/escaped.h"
#include "reports/render/plain_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace halfscope::reports {
namespace {

constexpr std::size_t most_layers = 100;

std::string_view tone_of(const analysis::RecipeChange &change) {
    if (change.worse()) return "bad";
    return change.same_verdict() || change.before == nullptr || change.after == nullptr ? "quiet" : "good";
}

std::string figures(const analysis::RecipeAssessment *recipe) {
    if (recipe == nullptr) return "<td class=\"quiet\">-</td><td class=\"number quiet\">-</td>";
    return fmt::format("<td>{}</td><td class=\"number\">{:.4g}</td>", name_of(recipe->verdict), recipe->outcome.final);
}

std::string headline(const analysis::RunDifference &difference) {
    std::string worse, better;
    for (const auto &recipe : difference.recipes) {
        if (recipe.before == nullptr || recipe.after == nullptr || recipe.same_verdict()) continue;
        std::string &list = recipe.worse() ? worse : better;
        list += (list.empty() ? "" : ", ") + recipe.name;
    }
    if (worse.empty() && better.empty()) return "No verdict changed";
    if (worse.empty()) return "Changed for the better: " + better;
    return "Worse than before: " + worse + (better.empty() ? "" : "; changed otherwise: " + better);
}

void put_details(std::string &page, const analysis::RecipeChange &recipe) {
    if (recipe.appeared.empty() && recipe.gone.empty() && recipe.layers.empty()) return;
    page += "<h2>" + escaped(recipe.name) + "</h2>\n";
    const auto list = [&](std::string_view title, const std::vector<std::string> &lines) {
        if (lines.empty()) return;
        fmt::format_to(std::back_inserter(page), "<p class=\"quiet\">{}</p><ul>", title);
        for (const std::string &line : lines) page += "<li>" + escaped(line) + "</li>";
        page += "</ul>\n";
    };
    std::vector<std::string> lines;
    for (const auto *finding : recipe.appeared) lines.push_back(finding_name(*finding) + ": " + finding->evidence);
    list("New findings", lines);
    lines.clear();
    for (const auto *finding : recipe.gone) lines.push_back(finding_name(*finding) + ": " + finding->evidence);
    list("Findings that are gone", lines);
    lines.clear();
    for (std::size_t i = 0; i < std::min(most_layers, recipe.layers.size()); ++i)
        lines.push_back(layer_change(recipe.layers[i]));
    if (recipe.layers.size() > most_layers)
        lines.push_back(fmt::format("and {} more", recipe.layers.size() - most_layers));
    list("Layers that moved by a percentage point or more, the largest change first", lines);
}

} // namespace

std::string difference_page(const analysis::RunDifference &difference, const std::string &before,
                            const std::string &after) {
    std::string page = fmt::format("<p class=\"quiet\">{} beside {}</p><h1>{}</h1>\n", escaped(before), escaped(after),
                                   escaped(headline(difference)));
    fmt::format_to(
        std::back_inserter(page),
        "<div class=\"wide\"><table><thead><tr><th>Recipe</th><th>{0}</th><th class=\"number\">final loss</th>"
        "<th>{1}</th><th class=\"number\">final loss</th><th>Change</th></tr></thead><tbody>\n"
        "<tr><td>fp32</td><td></td><td class=\"number\">{2:.4g}</td><td></td><td class=\"number\">{3:.4g}</td>"
        "<td></td></tr>\n",
        escaped(before), escaped(after), difference.reference_before, difference.reference_after);
    for (const auto &recipe : difference.recipes)
        fmt::format_to(std::back_inserter(page), "<tr><td>{}</td>{}{}<td class=\"{}\">{}</td></tr>\n",
                       escaped(recipe.name), figures(recipe.before), figures(recipe.after), tone_of(recipe),
                       escaped(verdict_change(recipe, before, after)));
    page += "</tbody></table></div>\n";
    for (const auto &recipe : difference.recipes) put_details(page, recipe);
    if (!difference.facts.empty()) {
        page += "<h2>What else differs</h2><div class=\"wide\"><table>\n";
        for (const auto &fact : difference.facts)
            page += "<tr><th>" + escaped(fact.name) + "</th><td>" + escaped(fact.before) + "</td><td>" +
                    escaped(fact.after) + "</td></tr>\n";
        page += "</table></div>\n";
    }
    return plain_page("Two runs", page);
}

} // namespace halfscope::reports
