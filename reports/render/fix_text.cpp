#include "reports/render/fix_text.h"

#include <fmt/format.h>

#include <iterator>
#include <sstream>

namespace halfscope::reports {
namespace {

constexpr std::size_t label_width = 10, code_indent = 4;

/// "  Label     text, wrapped beside it".
void labelled(std::string &text, std::string_view label, std::string_view body, const TerminalStyle &style,
              std::size_t width) {
    const std::size_t indent = 2 + label_width;
    bool first = true;
    for (const std::string &line : wrapped(body, width > indent + 20 ? width - indent : 20)) {
        const std::string lead =
            first ? "  " + toned(fitted(label, label_width, style), Tone::faint, style) : std::string(indent, ' ');
        fmt::format_to(std::back_inserter(text), "{}{}\n", lead, line);
        first = false;
    }
}

void code(std::string &text, std::string_view title, std::string_view lines, const TerminalStyle &style) {
    fmt::format_to(std::back_inserter(text), "  {}\n", toned(title, Tone::faint, style));
    std::istringstream in{std::string(lines)};
    for (std::string line; std::getline(in, line);)
        fmt::format_to(std::back_inserter(text), "{}{}\n", std::string(line.empty() ? 0 : code_indent, ' '), line);
}

} // namespace

std::string fix_text(std::string_view recipe, const analysis::Fix &fix, const TerminalStyle &style, std::size_t width) {
    std::string text = toned(fix.found ? fmt::format("What makes {} safe", recipe)
                                       : fmt::format("What was tried to make {} safe", recipe),
                             Tone::strong, style) +
                       '\n';
    labelled(text, "Result", fix.sentence, style, width);
    if (!fix.found) return text;
    labelled(text, "Verdict", fix.headline, style, width);
    if (!fix.cost_sentence.empty()) labelled(text, "Cost", fix.cost_sentence, style, width);
    labelled(text, "Run it", fix.command, style, width);
    code(text, fmt::format("As a TOML overlay, {}", fix.overlay_file), fix.overlay, style);
    code(text, "As PyTorch (model, loader and loss_of are yours)", fmt::format("{}", fmt::join(fix.pytorch, "\n")),
         style);
    return text;
}

} // namespace halfscope::reports
