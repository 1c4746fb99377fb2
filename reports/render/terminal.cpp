#include "reports/render/terminal.h"

#include "reports/render/fix_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>

namespace halfscope::reports {
namespace {

using analysis::Assessment, analysis::RecipeAssessment, analysis::Verdict;

constexpr std::size_t margin = 2;
constexpr std::size_t layers_shown = 4;
constexpr int longest_text_line = 100; // longer ones tire the eye

struct Mark {
    std::string_view symbol, ascii;
    Tone tone;
};

Mark mark_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::safe: return {"✔", "+", Tone::good};
    case Verdict::risky: return {"▲", "!", Tone::caution};
    case Verdict::unsafe: return {"✘", "x", Tone::bad};
    case Verdict::no_verdict: break;
    }
    return {"?", "?", Tone::faint};
}

/// Builds the summary line by line.
class Page {
  public:
    Page(const Assessment &assessment, const TerminalStyle &style) : assessment_(assessment), style_(style) {
        name_width_ = columns(twin_name());
        for (const auto &recipe : assessment.recipes) name_width_ = std::max(name_width_, columns(recipe.run.recipe));
        name_width_ = std::min<std::size_t>(name_width_, 24);
        text_width_ = static_cast<std::size_t>(std::min(style.width, longest_text_line));
    }

    void title() {
        const auto &session = assessment_.session;
        const std::string_view dot = style_.unicode ? " · " : ", ";
        std::string line = toned("HalfScope", Tone::strong, style_);
        for (const auto &part :
             {session.model, session.data, fmt::format("{} steps", assessment_.reference.steps.size())})
            if (!part.empty()) fmt::format_to(std::back_inserter(line), "{}{}", dot, part);
        put(line);
        if (!assessment_.reference.sound)
            paragraph(fmt::format("The fp32 twin itself does not train: {}", assessment_.reference.problem), margin,
                      Tone::caution);
        blank();
    }

    void verdicts() {
        for (const auto &recipe : assessment_.recipes) {
            const Mark mark = mark_of(recipe.verdict);
            const std::string lead =
                fmt::format("{}{} {}  {}  ", std::string(margin, ' '),
                            toned(style_.unicode ? mark.symbol : mark.ascii, mark.tone, style_),
                            toned(fitted(recipe.run.recipe, name_width_, style_), Tone::strong, style_),
                            toned(fitted(analysis::name_of(recipe.verdict), 10, style_), mark.tone, style_));
            hanging(lead, recipe.headline);
        }
        blank();
    }

    void curves() {
        const auto range = loss_range();
        if (!range) return;
        heading("Loss");
        curve(twin_name(), assessment_.reference.steps, *range);
        for (const auto &recipe : assessment_.recipes) curve(recipe.run.recipe, recipe.steps, *range);
        blank();
    }

    void troubles() {
        for (const auto &recipe : assessment_.recipes)
            if (recipe.verdict != Verdict::safe && !recipe.findings.empty()) trouble(recipe);
    }

    void fixes() {
        for (const auto &recipe : assessment_.recipes)
            if (recipe.fix) text_ += fix_text(recipe.run.recipe, *recipe.fix, style_, text_width_) + '\n';
    }

    void loss_scales() {
        const bool fp16 = std::any_of(assessment_.recipes.begin(), assessment_.recipes.end(), is_fp16);
        if (!fp16) return;
        heading("Loss scales that fit fp16");
        constexpr int top = 24;
        const std::string lead(margin + name_width_ + 2, ' ');
        put(toned(lead + "2^0   2^4   2^8   2^12  2^16  2^20  2^24", Tone::faint, style_));
        for (const auto &recipe : assessment_.recipes) {
            if (!is_fp16(recipe)) continue;
            std::string ruler;
            const double used = recipe.steps.empty() ? 1 : recipe.steps.back().loss_scale;
            const int used_log2 = used > 0 ? static_cast<int>(std::lround(std::log2(used))) : 0;
            // 1.5 columns a power of two, as in the heading.
            for (int column = 0; column <= top * 3 / 2; ++column) {
                const int k = column * 2 / 3;
                const bool fits = recipe.scale_window_log2 && k >= recipe.scale_window_log2->first &&
                                  k <= recipe.scale_window_log2->second;
                if (column == (used_log2 * 3 + 1) / 2)
                    ruler += toned(style_.unicode ? "●" : "*", fits ? Tone::good : Tone::bad, style_);
                else if (fits)
                    ruler += toned(style_.unicode ? "━" : "=", Tone::good, style_);
                else
                    ruler += toned(style_.unicode ? "·" : ".", Tone::faint, style_);
            }
            const std::string window =
                recipe.scale_window_log2
                    ? fmt::format("2^{} to 2^{}", recipe.scale_window_log2->first, recipe.scale_window_log2->second)
                    : "none fits";
            put(fmt::format("{}{}  {}  {}", std::string(margin, ' '), fitted(recipe.run.recipe, name_width_, style_),
                            ruler, window));
        }
        put(toned(fmt::format("{}{} the scale of the last step", lead, style_.unicode ? "●" : "*"), Tone::faint,
                  style_));
        blank();
    }

    void costs() {
        const auto &reference = assessment_.reference.run.cost;
        if (!reference || assessment_.recipes.empty()) return;
        heading("A step's memory, and its multiply-adds with 16-bit operands");
        cost_line(twin_name(), *reference, {});
        for (const auto &recipe : assessment_.recipes)
            if (recipe.run.cost)
                cost_line(recipe.run.recipe, *recipe.run.cost,
                          fmt::format(", {:.2f} of fp32", ratio(recipe.run.cost->bytes(), reference->bytes())));
        blank();
    }

    void footer(const std::filesystem::path &html) {
        for (const auto &recipe : assessment_.recipes)
            if (!recipe.complete)
                paragraph(fmt::format("{}: cut short after {} of {} steps; judged on those.", recipe.run.recipe,
                                      recipe.steps.size(), recipe.run.planned_steps),
                          0, Tone::caution);
        for (const auto &note : assessment_.session.notes) paragraph("Note: " + note, 0, Tone::faint);
        if (!html.empty()) put("Report: " + toned(html.string(), Tone::strong, style_));
    }

    [[nodiscard]] std::string text() && { return std::move(text_); }

  private:
    static bool is_fp16(const RecipeAssessment &recipe) { return recipe.run.compute_format == "fp16"; }

    static double ratio(std::int64_t part, std::int64_t whole) {
        return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
    }

    void cost_line(const std::string &name, const trace::StepCost &cost, const std::string &against) {
        const std::string memory = fmt::format("{}{}", mebibytes(cost.bytes()), against);
        put(fmt::format("{}{}  {:<26}{:>4.0f} %", std::string(margin, ' '), fitted(name, name_width_, style_), memory,
                        100 * ratio(cost.multiply_adds_16bit, cost.multiply_adds)));
    }

    static std::string mebibytes(std::int64_t bytes) {
        return fmt::format("{:.4g} MiB", static_cast<double>(bytes) / (1 << 20));
    }

    [[nodiscard]] std::string twin_name() const {
        return assessment_.reference.run.recipe.empty() ? "fp32" : assessment_.reference.run.recipe;
    }

    void put(std::string_view line) {
        while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
        text_.append(line).push_back('\n');
    }
    void blank() { put(""); }
    void heading(std::string_view text) { put(toned(text, Tone::strong, style_)); }

    /// `lead`, then the text wrapped beside it.
    void hanging(const std::string &lead, std::string_view body) {
        const std::size_t indent = columns(lead);
        bool first = true;
        for (const auto &line : wrapped(body, text_width_ > indent + 20 ? text_width_ - indent : 20)) {
            put((first ? lead : std::string(indent, ' ')) + line);
            first = false;
        }
    }

    void paragraph(std::string_view body, std::size_t indent, Tone tone) {
        for (const auto &line : wrapped(body, text_width_ - indent))
            put(std::string(indent, ' ') + toned(line, tone, style_));
    }

    /// From the lowest to the highest loss of the twin, with room above for a recipe that does worse; a recipe that
    /// blows up is clamped, so that it does not flatten the others.
    [[nodiscard]] std::optional<std::pair<double, double>> loss_range() const {
        double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
        const auto widen = [&](const std::vector<trace::Step> &steps) {
            for (const auto &step : steps)
                if (std::isfinite(step.loss))
                    lowest = std::min(lowest, step.loss), highest = std::max(highest, step.loss);
        };
        widen(assessment_.reference.steps);
        if (!(highest > lowest))
            for (const auto &recipe : assessment_.recipes) widen(recipe.steps);
        if (!std::isfinite(lowest)) return std::nullopt;
        return std::pair{lowest, highest};
    }

    void curve(const std::string &name, const std::vector<trace::Step> &steps, std::pair<double, double> range) {
        if (steps.empty()) return;
        std::vector<double> losses;
        for (const auto &step : steps) losses.push_back(step.loss);
        const std::string figures = fmt::format("  {:.4g} → {:.4g}", losses.front(), losses.back());
        const std::size_t taken = margin + name_width_ + 2 + columns(figures);
        const std::size_t room = std::clamp<std::size_t>(text_width_ - std::min(text_width_, taken), 10, 60);
        put(fmt::format("{}{}  {}{}", std::string(margin, ' '), fitted(name, name_width_, style_),
                        sparkline(losses, std::min(room, std::max<std::size_t>(10, losses.size())), range.first,
                                  range.second, style_),
                        style_.unicode ? figures : fmt::format("  {:.4g} to {:.4g}", losses.front(), losses.back())));
    }

    void trouble(const RecipeAssessment &recipe) {
        const auto &finding = recipe.findings.front();
        const Mark mark = mark_of(recipe.verdict);
        std::string title = fmt::format("{}: {}", toned(recipe.run.recipe, mark.tone, style_), finding.detector);
        if (!finding.layer.empty()) title += " in " + finding.layer;
        if (finding.first_step >= 0) title += fmt::format(", from step {}", finding.first_step);
        put(title);
        const std::string indent(margin, ' ');
        hanging(indent + toned("Evidence  ", Tone::faint, style_), finding.evidence);
        hanging(indent + toned("Cause     ", Tone::faint, style_), finding.cause);
        hanging(indent + toned("Remedy    ", Tone::faint, style_), toned(finding.remedy, Tone::plain, style_));
        const auto more = recipe.findings.size() - 1;
        if (more > 0)
            put(indent + toned(fmt::format("and {} more finding{}", more, more > 1 ? "s" : ""), Tone::faint, style_));
        worst_layers(recipe);
        blank();
    }

    void worst_layers(const RecipeAssessment &recipe) {
        struct Hit {
            const analysis::LayerSummary *layer;
            const analysis::TensorSummary *tensor;
            double share;
            bool overflow;
        };
        std::vector<Hit> hits;
        for (const auto &layer : recipe.layers) {
            std::optional<Hit> worst;
            for (const auto &tensor : layer.tensors)
                for (const bool overflow : {false, true}) {
                    const double share = overflow ? tensor.overflow_share : tensor.underflow_share;
                    if (share > (worst ? worst->share : 0)) worst = Hit{&layer, &tensor, share, overflow};
                }
            if (worst) hits.push_back(*worst);
        }
        std::stable_sort(hits.begin(), hits.end(), [](const Hit &a, const Hit &b) { return a.share > b.share; });
        if (hits.size() > layers_shown) hits.resize(layers_shown);
        for (const auto &hit : hits) {
            const auto &by_step = hit.overflow ? hit.tensor->overflow_by_step : hit.tensor->underflow_by_step;
            std::string role = hit.tensor->role;
            std::replace(role.begin(), role.end(), '_', ' ');
            put(fmt::format("{}{}  {}  {} of {} {}", std::string(margin, ' '), fitted(hit.layer->name, 24, style_),
                            share_strip(by_step, 20, style_), percent(hit.share), role,
                            hit.overflow ? "overflows" : "underflows"));
        }
    }

    static std::string percent(double share) {
        const double value = 100 * share;
        return value >= 10 ? fmt::format("{:.0f} %", value) : fmt::format("{:.2g} %", value);
    }

    const Assessment &assessment_;
    const TerminalStyle &style_;
    std::size_t name_width_ = 0, text_width_ = 80;
    std::string text_;
};

} // namespace

std::string terminal_summary(const Assessment &assessment, const TerminalStyle &style,
                             const std::filesystem::path &html) {
    Page page(assessment, style);
    page.title();
    page.verdicts();
    page.curves();
    page.troubles();
    page.fixes();
    page.loss_scales();
    page.costs();
    page.footer(html);
    return std::move(page).text();
}

} // namespace halfscope::reports
