#include "reports/render/difference_text.h"

#include "reports/render/difference_wording.h"

#include <fmt/format.h>

#include <algorithm>

namespace halfscope::reports {
namespace {

constexpr std::size_t most_layers = 8;

Tone tone_of(const analysis::RecipeChange &change) {
    if (change.worse()) return Tone::bad;
    return change.same_verdict() || change.before == nullptr || change.after == nullptr ? Tone::plain : Tone::good;
}

class Text {
  public:
    explicit Text(const TerminalStyle &style)
        : width_(std::min<std::size_t>(static_cast<std::size_t>(style.width), 100)), style_(style) {}

    void put(std::string_view line = "") {
        text_ += line;
        text_ += '\n';
    }
    void hanging(std::size_t indent, std::string_view lead, std::string_view words) {
        const std::string blanks(indent + columns(lead), ' ');
        const auto lines = wrapped(words, std::max<std::size_t>(width_ - std::min(width_, blanks.size()), 30));
        for (std::size_t i = 0; i < lines.size(); ++i)
            put((i == 0 ? std::string(indent, ' ') + toned(lead, Tone::faint, style_) : blanks) + lines[i]);
    }
    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    std::size_t width_;
    const TerminalStyle &style_;
    std::string text_;
};

} // namespace

std::string difference_text(const analysis::RunDifference &difference, std::string_view before, std::string_view after,
                            const TerminalStyle &style) {
    Text text(style);
    text.put(
        fmt::format("HalfScope · {} beside {}", toned(before, Tone::strong, style), toned(after, Tone::strong, style)));
    text.put();
    std::size_t name_width = 4;
    for (const auto &recipe : difference.recipes) name_width = std::max(name_width, columns(recipe.name));
    text.put(fmt::format("  {}  final loss {:.4g}{}", fitted("fp32", name_width, style), difference.reference_before,
                         difference.reference_before == difference.reference_after
                             ? ", as before"
                             : fmt::format(" → {:.4g}", difference.reference_after)));
    for (const auto &recipe : difference.recipes) {
        const std::string outcome = outcome_change(recipe);
        text.put(
            fmt::format("  {}  {}{}", fitted(recipe.name, name_width, style),
                        toned(verdict_change(recipe, std::string(before), std::string(after)), tone_of(recipe), style),
                        outcome.empty() ? "" : "; " + outcome));
        const std::size_t indent = name_width + 4;
        for (const analysis::Finding *finding : recipe.appeared)
            text.hanging(indent, "new   ", fmt::format("{}: {}", finding_name(*finding), finding->evidence));
        for (const analysis::Finding *finding : recipe.gone) text.hanging(indent, "gone  ", finding_name(*finding));
        for (std::size_t i = 0; i < std::min(most_layers, recipe.layers.size()); ++i)
            text.hanging(indent, "layer ", layer_change(recipe.layers[i]));
        if (recipe.layers.size() > most_layers)
            text.hanging(indent, "      ", fmt::format("and {} more", recipe.layers.size() - most_layers));
    }
    if (!difference.facts.empty()) {
        text.put();
        text.put("What else differs");
        std::size_t width = 4;
        for (const auto &fact : difference.facts) width = std::max(width, columns(fact.name));
        for (const auto &fact : difference.facts)
            text.hanging(
                2, fitted(fact.name, width, style) + "  ",
                fmt::format("{} → {}", fact.before.empty() ? "-" : fact.before, fact.after.empty() ? "-" : fact.after));
    }
    return text.take();
}

} // namespace halfscope::reports
