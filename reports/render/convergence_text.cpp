#include "reports/render/convergence_text.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace halfscope::reports {
namespace {

using analysis::ConvergenceStanding;
using analysis::FinalComparison;
using analysis::RecipeConvergence;
using Row = std::vector<std::string>;

Tone tone_of(ConvergenceStanding standing) {
    switch (standing) {
    case ConvergenceStanding::reference: return Tone::plain;
    case ConvergenceStanding::worse:
    case ConvergenceStanding::diverged: return Tone::bad;
    case ConvergenceStanding::undecided: return Tone::caution;
    default: return Tone::good;
    }
}

std::string number(double value) { return std::isfinite(value) ? fmt::format("{:.4g}", value) : "-"; }

std::string signed_number(double value) { return fmt::format("{:+.2g}", value); }

std::string step(std::int64_t value) { return value < 0 ? "-" : std::to_string(value); }

Row row_of(const RecipeConvergence &recipe, const analysis::Convergence &whole) {
    Row row{recipe.name};
    const bool reference = recipe.standing == ConvergenceStanding::reference;
    for (std::size_t i = 0; i < recipe.comparisons.size(); ++i) {
        const FinalComparison &c = recipe.comparisons[i];
        row.push_back(c.known() ? number(c.mean) : "-");
        if (i > 0) continue;
        row.push_back(reference || !c.known() ? "" : signed_number(c.interval.mean));
        row.push_back(reference || c.differences.size() < 2
                          ? ""
                          : fmt::format("{} to {}", signed_number(c.interval.low), signed_number(c.interval.high)));
    }
    const std::int64_t median = recipe.median_steps_to_target();
    row.push_back(median < 0 ? "never" : std::to_string(median));
    row.push_back(step(recipe.parts_at));
    row.push_back(std::to_string(recipe.spikes));
    row.push_back(std::to_string(recipe.skipped_steps));
    row.push_back(
        recipe.diverged_seeds.empty() ? "0" : fmt::format("{}/{}", recipe.diverged_seeds.size(), whole.seeds.size()));
    return row;
}

Row headings(const analysis::Convergence &whole) {
    Row row{"recipe"};
    const auto &comparisons = whole.recipes.front().comparisons;
    for (std::size_t i = 0; i < comparisons.size(); ++i) {
        row.push_back(comparisons[i].metric);
        if (i == 0) row.insert(row.end(), {"- fp32", "interval"});
    }
    row.insert(row.end(), {"to target", "parts at", "spikes", "skipped", "diverged"});
    return row;
}

std::string table_of(const analysis::Convergence &whole, const TerminalStyle &style) {
    std::vector<Row> rows{headings(whole)};
    for (const RecipeConvergence &recipe : whole.recipes) rows.push_back(row_of(recipe, whole));
    std::vector<std::size_t> widths(rows.front().size());
    for (const Row &row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
    std::string text;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        std::string line = "  ";
        for (std::size_t i = 0; i < widths.size(); ++i)
            line +=
                i == 0 ? fmt::format("{:<{}}", rows[r][i], widths[i]) : fmt::format("  {:>{}}", rows[r][i], widths[i]);
        text += (r == 0 ? toned(line, Tone::faint, style) : line) + '\n';
    }
    return text;
}

void append_wrapped(std::string &text, const std::string &paragraph, const TerminalStyle &style, Tone tone) {
    for (const std::string &line : wrapped(paragraph, static_cast<std::size_t>(std::max(80, style.width)) - 2))
        text += toned(line, tone, style) + '\n';
}

std::string reading_of(const analysis::Convergence &whole) {
    const RecipeConvergence &first = whole.recipes[whole.recipes.size() > 1 ? 1 : 0];
    const auto &interval = first.comparisons.front().interval;
    std::string text = fmt::format("{} of {}; held-out figures over {} samples.",
                                   analysis::counted(static_cast<long long>(whole.seeds.size()), "seed"),
                                   analysis::counted(whole.steps, "step"), whole.held_out_samples);
    if (interval.coverage > 0)
        text += fmt::format(" Intervals cover {:.4g} % (paired, exact, no normality assumed; the two-sided p-value of "
                            "{} pairs cannot be below {:.3g}).",
                            100 * interval.coverage, first.comparisons.front().differences.size(),
                            std::ldexp(2.0, -static_cast<int>(first.comparisons.front().differences.size())));
    if (std::isfinite(whole.margin))
        text += fmt::format(" Margin ±{}: {}.", analysis::figure(whole.margin), whole.margin_source);
    text += fmt::format(" Target: training loss {}, {}.", analysis::figure(whole.target), whole.target_source);
    return text;
}

} // namespace

std::string convergence_summary(const analysis::Convergence &whole, std::span<const analysis::OtherRun> others,
                                const TerminalStyle &style) {
    std::string text = "\n";
    for (const RecipeConvergence &recipe : whole.recipes)
        append_wrapped(text, recipe.sentence, style, tone_of(recipe.standing));
    for (const analysis::OtherRun &other : others) append_wrapped(text, other.sentence, style, Tone::plain);
    text += '\n' + table_of(whole, style) + '\n';
    append_wrapped(text, reading_of(whole), style, Tone::faint);
    return text;
}

} // namespace halfscope::reports
