#include "tests/hazards/scorecard.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

namespace halfscope::hazards {
namespace {

using analysis::Verdict;

constexpr std::array truths{"unsafe", "misread", "fine"};
constexpr std::array verdicts{Verdict::unsafe, Verdict::risky, Verdict::safe, Verdict::no_verdict};

bool is_unsafe(const Row &row) { return row.truth.verdict == "unsafe"; }

/// The formats in which a case is unsafe, as its truth has it.
std::string unsafe_in(const std::vector<const Row *> &rows) {
    bool fp16 = false, bf16 = false;
    for (const Row *row : rows)
        if (is_unsafe(*row)) (row->trial->recipe.compute == ops::DType::fp16 ? fp16 : bf16) = true;
    return fp16 && bf16 ? "both" : fp16 ? "fp16" : bf16 ? "bf16" : "neither";
}

std::vector<std::vector<const Row *>> by_case(const std::vector<Row> &rows) {
    std::vector<std::vector<const Row *>> cases;
    for (const Row &row : rows) {
        if (cases.empty() || cases.back().front()->tried != row.tried) cases.emplace_back();
        cases.back().push_back(&row);
    }
    return cases;
}

int count(const std::vector<Row> &rows, const char *truth,
          const std::function<bool(const Row &, const Observation &)> &of) {
    int n = 0;
    for (const Row &row : rows)
        if (row.truth.verdict == truth)
            for (const Observation &seen : row.observations) n += of(row, seen);
    return n;
}

std::string confusion(const std::vector<Row> &rows, const char *separator, const char *edge, bool rule) {
    std::string text;
    const auto line = [&](const std::vector<std::string> &cells) {
        text += edge;
        for (std::size_t i = 0; i < cells.size(); ++i)
            text += (i ? separator : "") + (i ? fmt::format("{:>12}", cells[i]) : fmt::format("{:<10}", cells[i]));
        text += std::string(edge[0] ? " |" : "") + "\n";
    };
    line({"truth", "unsafe", "risky", "safe", "no-verdict", "cause named", "inf or NaN", "> 1 % lost"});
    if (rule) text += "|:---|---:|---:|---:|---:|---:|---:|---:|\n";
    for (const char *truth : truths) {
        std::vector<std::string> cells{truth};
        for (const Verdict verdict : verdicts)
            cells.push_back(std::to_string(
                count(rows, truth, [&](const Row &, const Observation &seen) { return seen.verdict == verdict; })));
        if (std::string(truth) == "unsafe") {
            const int named = count(rows, truth, cause_is_right);
            const int flagged = count(rows, truth, [](const Row &, const Observation &seen) {
                return seen.verdict == Verdict::unsafe || seen.verdict == Verdict::risky;
            });
            cells.push_back(fmt::format("{} of {}", named, flagged));
        } else {
            cells.emplace_back("-");
        }
        const int all = count(rows, truth, [](const Row &, const Observation &) { return true; });
        for (const bool Observation::*flag : {&Observation::any_inf_or_nan, &Observation::much_underflow})
            cells.push_back(fmt::format(
                "{} of {}", count(rows, truth, [&](const Row &, const Observation &seen) { return seen.*flag; }), all));
        line(cells);
    }
    return text;
}

std::string census(const std::vector<Row> &rows) {
    std::array<int, 4> kinds{};
    const auto cases = by_case(rows);
    for (const auto &tried : cases) {
        const std::string where = unsafe_in(tried);
        kinds[where == "fp16" ? 0 : where == "bf16" ? 1 : where == "both" ? 2 : 3]++;
    }
    return fmt::format(
        "{} cases: {} unsafe in fp16 only, {} in bf16 only, {} in both, {} look risky and train fine; {} "
        "recipes in all, {} seeds each",
        cases.size(), kinds[0], kinds[1], kinds[2], kinds[3], rows.size(), std::size(seeds));
}

/// "unsafe x2, risky".
std::string verdicts_of(const Row &row) {
    std::vector<std::string> parts;
    for (const Verdict verdict : verdicts) {
        const auto n = std::count_if(row.observations.begin(), row.observations.end(),
                                     [&](const Observation &seen) { return seen.verdict == verdict; });
        if (n == static_cast<std::ptrdiff_t>(row.observations.size())) return std::string(name_of(verdict));
        if (n > 0) parts.push_back(fmt::format("{} {}", n, name_of(verdict)));
    }
    return fmt::format("{}", fmt::join(parts, ", "));
}

std::string causes_of(const Row &row) {
    std::set<std::string> causes;
    for (const Observation &seen : row.observations)
        if (seen.verdict != Verdict::safe && !seen.cause.empty()) causes.insert(seen.cause);
    return causes.empty() ? "-" : fmt::format("{}", fmt::join(causes, ", "));
}

std::string flags_of(const Row &row) {
    std::string text;
    for (const bool Observation::*flag : {&Observation::any_inf_or_nan, &Observation::much_underflow}) {
        const auto n = std::count_if(row.observations.begin(), row.observations.end(),
                                     [&](const Observation &seen) { return seen.*flag; });
        text += fmt::format("{}{}", text.empty() ? "" : " | ",
                            2 * n > static_cast<std::ptrdiff_t>(row.observations.size()) ? "unsafe" : "safe");
    }
    return text;
}

/// The document's part on the networks held out begins here.
constexpr const char *held_out_heading = "# On networks it was not corrected by";

/// The parts made of the yardstick and of the networks held out.
std::pair<std::string, std::string> parts_of(const std::filesystem::path &document) {
    std::ostringstream whole;
    whole << std::ifstream(document).rdbuf();
    const std::string text = whole.str();
    const std::size_t at = text.find(held_out_heading);
    if (at == std::string::npos) return {text, {}};
    return {text.substr(0, at), text.substr(at)};
}

void write_parts(const std::filesystem::path &document, std::string yardstick, const std::string &held_out) {
    while (yardstick.ends_with("\n\n")) yardstick.pop_back();
    std::ofstream(document) << yardstick << (held_out.empty() ? "" : "\n") << held_out;
}

std::string score_in_words(const std::vector<Row> &rows) {
    const Totals t = totals_of(rows);
    return fmt::format(
        "{} verdicts are right, {} wrong, {} say only \"risky\" where the truth is unsafe, {} say nothing", t.right,
        t.wrong, t.hedged, t.nothing);
}

std::string list_of_cases(const std::vector<Row> &rows) {
    std::string text = "\n## The cases\n\n";
    for (const auto &tried : by_case(rows))
        text += fmt::format("* **{}**: {}\n", tried.front()->tried->name, tried.front()->tried->imitates);
    return text;
}

std::string in_markdown(const std::vector<Row> &rows) {
    std::string text =
        "# How often the verdict is right\n\n"
        "Made by `./dev hazards`; not edited by hand. The cases are in `tests/hazards/cases`, one file per family: "
        "small networks\nthat fail as real ones did, and others that only look as if they would. The truth comes from "
        "training each of them\nseveral times longer than the judge sees, under three seeds beside their fp32 twins, "
        "and "
        "looking at the final loss alone\n(`tests/hazards/truth.h`; the figures are in `tests/hazards/truth.tsv`). "
        "Beside "
        "the verdict stand two counters read from the\nsame traces: \"any inf or NaN\" and \"some tensor loses more "
        "than "
        "1 % of its non-zero values\", each counted as often as it\ncries unsafe. The judge was corrected where\nthese "
        "cases showed it wrong, so they are a yardstick against regressions and no independent sample.\n\n";
    text += census(rows) + ".\n\n" + confusion(rows, " | ", "| ", true);
    text += "\n" + score_in_words(rows) +
            ". A failure that comes after the\nsteps the judge saw (marked late) is foreseen rightly by \"risky\".\n\n";
    text +=
        "| case | recipe | truth | verdict | cause | inf or NaN | > 1 % lost |\n|:---|:---|:---|:---|:---|:---|:---|\n";
    for (const Row &row : rows)
        text += fmt::format("| {} | {} | {}{} | {} | {} | {} |\n", row.tried->name, row.trial->recipe.name,
                            row.truth.verdict, row.tried->late && is_unsafe(row) ? " (late)" : "", verdicts_of(row),
                            causes_of(row), flags_of(row));
    return text + list_of_cases(rows);
}

std::string held_out_in_markdown(const std::vector<Row> &rows, const std::vector<Row> &first) {
    std::string text = std::string(held_out_heading) +
                       "\n\nMade by `./dev hazards --held-out`; not edited by hand. The networks are in "
                       "`tests/hazards/held_out`: ordinary ones and some\nthat fail, written without looking at the "
                       "judge and in neither list of mechanisms. Their truth is established as above. They were\n"
                       "judged once before anything was changed on their account (`first_verdicts.tsv`), which is the "
                       "honest sample; what was wrong\nthen was mended by principle where there is one, and the score "
                       "since is that of a yardstick again.\n\n";
    text += census(rows) + ".\n\nBefore anything was changed:\n\n" + confusion(first, " | ", "| ", true) + "\n" +
            score_in_words(first) + ".\n\nNow:\n\n" + confusion(rows, " | ", "| ", true) + "\n" + score_in_words(rows) +
            ".\n\n";
    text += "| case | recipe | truth | first verdict | first cause | verdict | cause "
            "|\n|:---|:---|:---|:---|:---|:---|:---|\n";
    for (const Row &row : rows) {
        const auto before =
            std::find_if(first.begin(), first.end(), [&](const Row &other) { return other.trial == row.trial; });
        text += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", row.tried->name, row.trial->recipe.name,
                            row.truth.verdict, before == first.end() ? "-" : verdicts_of(*before),
                            before == first.end() ? "-" : causes_of(*before), verdicts_of(row), causes_of(row));
    }
    return text + "\nWhere the truth is unclear (a gap between fine and unsafe), nothing is counted.\n" +
           list_of_cases(rows);
}

} // namespace

Score score_of(const Row &row, const Observation &seen) {
    if (row.truth.verdict == "unclear") return Score::uncounted;
    if (seen.verdict == Verdict::no_verdict) return Score::nothing;
    if (row.truth.verdict == "misread") return seen.verdict == Verdict::unsafe ? Score::wrong : Score::right;
    if (!is_unsafe(row)) return seen.verdict == Verdict::safe ? Score::right : Score::wrong;
    if (seen.verdict == Verdict::unsafe) return Score::right;
    if (seen.verdict == Verdict::risky) return row.tried->late ? Score::right : Score::hedged;
    return Score::wrong;
}

bool cause_is_right(const Row &row, const Observation &seen) {
    const auto &causes = row.trial->causes;
    return is_unsafe(row) && (seen.verdict == Verdict::unsafe || seen.verdict == Verdict::risky) &&
           std::find(causes.begin(), causes.end(), seen.cause) != causes.end();
}

Totals totals_of(const std::vector<Row> &rows) {
    Totals totals;
    for (const Row &row : rows)
        for (const Observation &seen : row.observations) switch (score_of(row, seen)) {
            case Score::right: ++totals.right; break;
            case Score::hedged: ++totals.hedged; break;
            case Score::nothing: ++totals.nothing; break;
            case Score::wrong: ++totals.wrong; break;
            case Score::uncounted: break;
            }
    return totals;
}

std::string in_plain_text(const std::vector<Row> &rows) {
    const Totals t = totals_of(rows);
    std::string text =
        census(rows) + "\n\n" + confusion(rows, "", "", false) + "\n" +
        fmt::format("{} verdicts right, {} wrong, {} only \"risky\" where the truth is unsafe, {} without\n", t.right,
                    t.wrong, t.hedged, t.nothing);
    for (const Row &row : rows)
        for (std::size_t i = 0; i < row.observations.size(); ++i) {
            const Observation &seen = row.observations[i];
            const Score score = score_of(row, seen);
            const bool named = !is_unsafe(row) || cause_is_right(row, seen);
            if (score == Score::uncounted || (score == Score::right && named)) continue;
            text += fmt::format("\n{} {}, seed {}: truth {} (excess {:.3g}), verdict {}, cause {} [{}]\n  {}\n",
                                score == Score::right   ? "CAUSE"
                                : score == Score::wrong ? "WRONG"
                                                        : "WEAK",
                                key_of(*row.tried, *row.trial), seeds[i], row.truth.verdict, row.truth.excess,
                                name_of(seen.verdict), seen.cause.empty() ? "none" : seen.cause,
                                fmt::join(seen.findings, ", "), seen.headline);
        }
    return text;
}

void write_yardstick(const std::filesystem::path &document, const std::vector<Row> &rows) {
    write_parts(document, in_markdown(rows), parts_of(document).second);
}

void write_held_out(const std::filesystem::path &document, const std::vector<Row> &rows,
                    const std::vector<Row> &first) {
    write_parts(document, parts_of(document).first, held_out_in_markdown(rows, first));
}

} // namespace halfscope::hazards
