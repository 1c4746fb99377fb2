#include "reports/render/page.h"

#include "reports/render/escaped.h"

#include <fmt/format.h>

#include <stdexcept>

namespace halfscope::reports {
namespace {

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
    if (at == std::string_view::npos) throw std::logic_error(fmt::format("The embedded page has no {}.", placeholder));
    html += page.substr(0, at);
    html += text;
    return page.substr(at + placeholder.size());
}

} // namespace

std::string filled_page(std::string_view page, std::string_view subject, std::string_view summary, const Json &data) {
    std::string html;
    std::string_view rest = fill(html, page, "{{title}}", escaped(subject) + " · HalfScope");
    rest = fill(html, rest, "{{summary}}", summary);
    rest = fill(html, rest, "{{data}}", json_for_script(data));
    html += rest;
    return html;
}

} // namespace halfscope::reports
