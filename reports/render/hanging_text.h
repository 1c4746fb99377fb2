// Lines for a terminal, wrapped beside what leads them.
#pragma once

#include "reports/render/terminal_text.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace halfscope::reports {

class HangingText {
  public:
    explicit HangingText(const TerminalStyle &style)
        : style_(style), width_(std::min<std::size_t>(static_cast<std::size_t>(style.width), longest_line)) {}

    void put(std::string_view line = "") {
        text_ += line;
        text_ += '\n';
    }
    /// `lead` before the first line, blanks of its width before the others.
    void hanging(std::string_view lead, std::string_view words) {
        const std::size_t indent = columns(lead);
        const auto lines = wrapped(words, std::max<std::size_t>(width_ - std::min(indent, width_), 30));
        for (std::size_t i = 0; i < lines.size(); ++i)
            put((i == 0 ? std::string(lead) : std::string(indent, ' ')) + lines[i]);
    }
    /// A faint name of ten columns, and what it is.
    void field(std::string_view name, std::string_view words) {
        std::string lead = "    " + std::string(name);
        lead.resize(std::max<std::size_t>(lead.size(), 14), ' ');
        hanging(toned(lead, Tone::faint, style_), words);
    }
    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    static constexpr std::size_t longest_line = 100;
    TerminalStyle style_;
    std::size_t width_;
    std::string text_;
};

} // namespace halfscope::reports
