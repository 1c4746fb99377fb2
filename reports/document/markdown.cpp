#include "reports/document/markdown.h"

#include "reports/document/output_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace halfscope::reports {
namespace {

using analysis::RecipeAssessment, analysis::Verdict;

/// Text that is not to be read as HTML or as the end of a table's cell.
std::string plain(std::string_view text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
        case '<': result += "&lt;"; break;
        case '|': result += "\\|"; break;
        case '\n':
        case '\r': result += ' '; break;
        default: result += c;
        }
    }
    return result;
}

std::string_view sign(Verdict verdict) {
    switch (verdict) {
    case Verdict::safe: return "✅ safe";
    case Verdict::risky: return "⚠️ risky";
    case Verdict::unsafe: return "❌ unsafe";
    case Verdict::no_verdict: break;
    }
    return "❔ no verdict";
}

std::string share(std::int64_t part, std::int64_t whole) {
    return whole > 0 ? fmt::format("{:.3g} %", 100 * static_cast<double>(part) / static_cast<double>(whole)) : "";
}

std::string row(const RecipeAssessment &recipe, const analysis::ReferenceAssessment &fp32) {
    const auto &own = recipe.run.cost, &twin = fp32.run.cost;
    return fmt::format("| `{}` | {} | {:.4g} (fp32 {:.4g}) | {} | {} |\n", plain(recipe.run.recipe),
                       sign(recipe.verdict), recipe.outcome.final, recipe.outcome.reference_final,
                       own && twin ? share(own->bytes(), twin->bytes()) : "",
                       own ? share(own->multiply_adds_16bit, own->multiply_adds) : "");
}

/// A fence longer than any row of backticks inside.
void fenced(std::string &text, std::string_view language, std::string_view code) {
    std::string fence = "```";
    while (code.find(fence) != std::string_view::npos) fence += '`';
    fmt::format_to(std::back_inserter(text), "\n{}{}\n{}{}{}\n", fence, language, code,
                   code.empty() || code.back() == '\n' ? "" : "\n", fence);
}

std::string section(const RecipeAssessment &recipe) {
    std::string text =
        fmt::format("\n#### `{}`: {}\n\n{}\n", plain(recipe.run.recipe), sign(recipe.verdict), plain(recipe.headline));
    for (const auto &finding : recipe.findings)
        if (finding.severity > analysis::Severity::info)
            fmt::format_to(std::back_inserter(text), "- **{}**{}: {} _{}_\n", plain(finding.detector),
                           finding.layer.empty() ? "" : fmt::format(" in `{}`", plain(finding.layer)),
                           plain(finding.evidence), plain(finding.remedy));
    if (!recipe.fix) return text;
    fmt::format_to(std::back_inserter(text), "\n**What makes it safe**: {} {}\n", plain(recipe.fix->sentence),
                   plain(recipe.fix->cost_sentence));
    if (recipe.fix->found) {
        text += "\n<details><summary>TOML overlay and PyTorch lines</summary>\n";
        fenced(text, "toml", recipe.fix->overlay);
        fenced(text, "python", fmt::format("{}", fmt::join(recipe.fix->pytorch, "\n")));
        text += "\n</details>\n";
    }
    return text;
}

} // namespace

std::string to_markdown(const analysis::Assessment &assessment) {
    const auto &session = assessment.session;
    std::string text = fmt::format("### HalfScope: `{}` on {}, {} steps\n\n", plain(session.model), plain(session.data),
                                   assessment.reference.steps.size());
    if (!assessment.reference.sound)
        fmt::format_to(std::back_inserter(text), "The fp32 twin itself does not train: {}\n\n",
                       plain(assessment.reference.problem));
    if (!assessment.recipes.empty())
        text += "| recipe | verdict | final loss | memory of fp32's | multiply-adds in 16 bits |\n"
                "| --- | --- | --- | --- | --- |\n";
    for (const RecipeAssessment &recipe : assessment.recipes) text += row(recipe, assessment.reference);
    for (const RecipeAssessment &recipe : assessment.recipes)
        if (recipe.verdict != Verdict::safe) text += section(recipe);
    fmt::format_to(std::back_inserter(text), "\n<sub>{} · halfscope {}</sub>\n", plain(session.command),
                   plain(session.halfscope_version));
    return text;
}

void write_markdown(const analysis::Assessment &assessment, const std::filesystem::path &file) {
    write_output_file(file, to_markdown(assessment));
}

} // namespace halfscope::reports
