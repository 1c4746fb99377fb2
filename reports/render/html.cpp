#include "reports/render/html.h"

#include "reports/document/output_file.h"
#include "reports/render/escaped.h"
#include "reports/render/page.h"
#include "reports/render/page_data.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

namespace halfscope::reports {

extern const std::string_view report_page; // reports/web/src, bundled and embedded at build time

namespace {

/// What a reader without JavaScript sees, and a mail program's preview; the page replaces it.
std::string summary_of(const analysis::Assessment &assessment) {
    std::string summary = fmt::format("<main><h1>{}</h1><ul>", escaped(assessment.session.model));
    for (const auto &recipe : assessment.recipes) {
        fmt::format_to(std::back_inserter(summary), "<li><strong>{}: {}.</strong> {}", escaped(recipe.run.recipe),
                       analysis::name_of(recipe.verdict), escaped(recipe.headline));
        if (!recipe.findings.empty())
            fmt::format_to(std::back_inserter(summary), "<br>{} {}", escaped(recipe.findings.front().cause),
                           escaped(recipe.findings.front().remedy));
        summary += "</li>";
    }
    return summary + "</ul><noscript><p>Curves and heat maps need JavaScript.</p></noscript></main>";
}

} // namespace

std::string to_html(const analysis::Assessment &assessment, const Json &validation) {
    Json data = page_data(assessment);
    if (!validation.is_null()) data["validation"] = validation;
    return filled_page(report_page, assessment.session.model, summary_of(assessment), data);
}

void write_html(const analysis::Assessment &assessment, const std::filesystem::path &file, const Json &validation) {
    write_output_file(file, to_html(assessment, validation));
}

} // namespace halfscope::reports
