#include "reports/document/junit.h"

#include "reports/document/output_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace halfscope::reports {
namespace {

using analysis::RecipeAssessment, analysis::Verdict;

/// Text for an attribute or an element; characters that XML 1.0 has no place for become '?'.
std::string xml(std::string_view text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
        case '&': result += "&amp;"; break;
        case '<': result += "&lt;"; break;
        case '>': result += "&gt;"; break;
        case '"': result += "&quot;"; break;
        case '\n': result += "&#10;"; break;
        default: result += static_cast<unsigned char>(c) < 0x20 && c != '\t' ? '?' : c;
        }
    }
    return result;
}

/// What stands behind the verdict, a line a finding.
std::string details(const RecipeAssessment &recipe) {
    std::string text = recipe.headline;
    for (const auto &finding : recipe.findings)
        if (finding.severity > analysis::Severity::info)
            fmt::format_to(std::back_inserter(text), "\n{}{}: {} {}", finding.detector,
                           finding.layer.empty() ? "" : " in " + finding.layer, finding.evidence, finding.remedy);
    if (recipe.fix) text += "\n" + recipe.fix->sentence;
    return text;
}

std::string test_case(const RecipeAssessment &recipe, const std::string &suite) {
    double seconds = 0;
    for (const trace::Step &step : recipe.steps) seconds += step.seconds;
    std::string text = fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\">\n", xml(suite),
                                   xml(recipe.run.recipe), seconds);
    const std::string type = recipe.findings.empty() ? "unknown" : recipe.findings.front().detector;
    switch (recipe.verdict) {
    case Verdict::unsafe:
        fmt::format_to(std::back_inserter(text), "      <failure message=\"{}\" type=\"{}\">{}</failure>\n",
                       xml(recipe.headline), xml(type), xml(details(recipe)));
        break;
    case Verdict::no_verdict:
        fmt::format_to(std::back_inserter(text), "      <error message=\"{}\" type=\"no-verdict\">{}</error>\n",
                       xml(recipe.headline), xml(details(recipe)));
        break;
    case Verdict::risky:
    case Verdict::safe:
        fmt::format_to(std::back_inserter(text), "      <system-out>{}: {}</system-out>\n",
                       analysis::name_of(recipe.verdict), xml(details(recipe)));
    }
    return text + "    </testcase>\n";
}

} // namespace

std::string to_junit(const analysis::Assessment &assessment) {
    const auto &recipes = assessment.recipes;
    const auto count = [&](Verdict verdict) {
        return std::count_if(recipes.begin(), recipes.end(),
                             [&](const RecipeAssessment &recipe) { return recipe.verdict == verdict; });
    };
    const std::string suite = "halfscope " + assessment.session.model;
    const std::string counts = fmt::format("tests=\"{}\" failures=\"{}\" errors=\"{}\"", recipes.size(),
                                           count(Verdict::unsafe), count(Verdict::no_verdict));
    std::string text = fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {0}>\n"
                                   "  <testsuite name=\"{1}\" {0}>\n",
                                   counts, xml(suite));
    for (const RecipeAssessment &recipe : recipes) text += test_case(recipe, suite);
    return text + "  </testsuite>\n</testsuites>\n";
}

void write_junit(const analysis::Assessment &assessment, const std::filesystem::path &file) {
    write_output_file(file, to_junit(assessment));
}

} // namespace halfscope::reports
