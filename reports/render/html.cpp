#include "reports/render/html.h"

#include "reports/document/output_file.h"
#include "reports/render/escaped.h"
#include "reports/render/page_data.h"

#include <fmt/format.h>

#include <iterator>
#include <stdexcept>
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

/// JSON that may stand inside a script element: no "</script" nor "<!--" can arise without "<".
std::string json_for_script(const Json &data) {
    const std::string text = data.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::string result;
    result.reserve(text.size());
    for (const char c : text) {
        if (c == '<')
            result += "\\u003c";
        else
            result += c;
    }
    return result;
}

/// Appends the page up to the placeholder, then `text`; returns what is left of the page.
std::string_view fill(std::string &html, std::string_view page, std::string_view placeholder, std::string_view text) {
    const std::size_t at = page.find(placeholder);
    if (at == std::string_view::npos)
        throw std::logic_error(fmt::format("The embedded report page has no {}.", placeholder));
    html += page.substr(0, at);
    html += text;
    return page.substr(at + placeholder.size());
}

} // namespace

std::string to_html(const analysis::Assessment &assessment, const Json &validation) {
    std::string html;
    std::string_view rest = fill(html, report_page, "{{title}}", escaped(assessment.session.model) + " · HalfScope");
    rest = fill(html, rest, "{{summary}}", summary_of(assessment));
    Json data = page_data(assessment);
    if (!validation.is_null()) data["validation"] = validation;
    rest = fill(html, rest, "{{data}}", json_for_script(data));
    html += rest;
    return html;
}

void write_html(const analysis::Assessment &assessment, const std::filesystem::path &file, const Json &validation) {
    write_output_file(file, to_html(assessment, validation));
}

} // namespace halfscope::reports
