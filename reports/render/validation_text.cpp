#include "reports/render/validation_text.h"

#include "reports/render/hanging_text.h"

#include "emulation/number/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace halfscope::reports {
namespace {

using kernels::Validation;
using kernels::judge::Element;
using kernels::judge::Judgement;
using kernels::judge::Verdict;

std::string with_separators(std::int64_t number) {
    std::string digits = std::to_string(number);
    for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
        digits.insert(static_cast<std::size_t>(at), ",");
    return digits;
}

/// Never rounds up to 100 %.
std::string share_text(std::int64_t part, std::int64_t all) {
    if (part == all) return "100 %";
    const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(all);
    return percent > 99.99 ? "> 99.99 %" : fmt::format("{:.2f} %", percent);
}

struct Mark {
    std::string_view symbol, ascii;
    Tone tone;
};

Mark mark_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::bit_equal: return {"✔", "+", Tone::good};
    case Verdict::different_order: return {"≈", "~", Tone::caution};
    case Verdict::extra_rounding:
    case Verdict::real_bug: return {"✘", "x", Tone::bad};
    case Verdict::skipped: break;
    }
    return {"·", "-", Tone::faint};
}

std::string bits_and_value(std::uint64_t bits, double value, number::FormatId format) {
    return fmt::format("0x{:0{}x} ({:.9g})", bits, number::format_of(format).storage_bits / 4, value);
}

std::string where(const Element &element) {
    if (element.position.size() < 2) return fmt::format("element {}", element.index);
    return fmt::format("element [{}]", fmt::join(element.position, ", "));
}

std::string in_words(const Element &element, const Judgement &judgement) {
    const auto format = judgement.format;
    std::string text =
        fmt::format("{}: {}", where(element), bits_and_value(element.tested_bits, element.tested, format));
    if (!judgement.model.empty())
        text += fmt::format(", emulated {}", bits_and_value(element.emulated_bits, element.emulated, format));
    if (element.exact) text += fmt::format(", exact {:.12g}", *element.exact);
    if (element.bound) text += fmt::format(" within {:.3g}", *element.bound);
    if (element.operands.empty()) return text;
    text += "; from";
    for (const auto &operand : element.operands)
        text += fmt::format(" {} = {}", operand.name, bits_and_value(operand.bits, operand.value, operand.format));
    if (element.operands_left_out > 0) text += fmt::format(" and {} more", element.operands_left_out);
    return text;
}

void findings(HangingText &text, const Judgement &judgement) {
    if (!judgement.explanation.empty()) text.field("Found", judgement.explanation);
    for (const std::string &evidence : judgement.evidence) text.field("", evidence);
    if (judgement.worst) text.field("Worst", in_words(*judgement.worst, judgement));
    if (judgement.errors && judgement.errors->elements > 0) {
        const auto &errors = *judgement.errors;
        text.field("Error", fmt::format("at most {:.3g} ulp ({:.3g} of the bound), {:.3g} ulp on average, over {} "
                                        "elements{}",
                                        errors.worst_ulp, errors.worst_of_bound, errors.mean_ulp,
                                        with_separators(errors.elements),
                                        errors.beyond_bound > 0
                                            ? fmt::format("; {} beyond the bound", with_separators(errors.beyond_bound))
                                            : ""));
    }
    if (judgement.worst_error && judgement.errors && judgement.errors->beyond_bound > 0)
        text.field("", in_words(*judgement.worst_error, judgement));
    if (!judgement.bound.empty()) text.field("Bound", judgement.bound);
    if (judgement.tolerance)
        text.field("Tolerance", fmt::format("rtol = {:.3g}, atol = {:.3g}: {}", judgement.tolerance->rtol,
                                            judgement.tolerance->atol, judgement.tolerance->derivation));
}

/// Kernels that share a reason stand together, in the order of the run.
std::vector<std::pair<std::string, std::vector<std::string>>> skipped_by_reason(const kernels::ValidationRun &run) {
    std::vector<std::pair<std::string, std::vector<std::string>>> reasons;
    for (const Validation &validation : run.validations) {
        if (validation.judgement.verdict != Verdict::skipped) continue;
        const std::string &reason = validation.judgement.explanation;
        auto known = std::find_if(reasons.begin(), reasons.end(), [&](const auto &one) { return one.first == reason; });
        if (known == reasons.end()) known = reasons.insert(reasons.end(), {reason, {}});
        known->second.push_back(validation.kernel);
    }
    return reasons;
}

} // namespace

std::string judgement_text(const Judgement &judgement, const TerminalStyle &style) {
    HangingText text(style);
    findings(text, judgement);
    return text.take();
}

std::string validation_text(const kernels::ValidationRun &run, const TerminalStyle &style, bool details) {
    HangingText text(style);
    std::size_t name_width = 6;
    std::int64_t passed = 0, failed = 0, skipped = 0;
    for (const Validation &validation : run.validations) {
        const Verdict verdict = validation.judgement.verdict;
        if (verdict != Verdict::skipped) name_width = std::max(name_width, columns(validation.kernel));
        ++(verdict == Verdict::skipped ? skipped : kernels::judge::is_pass(verdict) ? passed : failed);
    }
    if (passed + failed > 0)
        text.put(toned(fmt::format("    {:<{}}  {:>13}  {:>9}  {:>9}  {:>13}  verdict", "kernel", name_width,
                                   "elements", "bit-equal", "worst ulp", "error / bound"),
                       Tone::faint, style));
    for (const Validation &validation : run.validations) {
        const Judgement &judgement = validation.judgement;
        if (judgement.verdict == Verdict::skipped) continue;
        const Mark mark = mark_of(judgement.verdict);
        const bool non_finite = judgement.nan_mismatches + judgement.infinity_mismatches > 0;
        text.put(
            fmt::format("  {} {}  {:>13}  {:>9}  {:>9}  {:>13}  {}",
                        toned(style.unicode ? mark.symbol : mark.ascii, mark.tone, style),
                        toned(fitted(validation.kernel, name_width, style), Tone::strong, style),
                        with_separators(judgement.elements),
                        judgement.model.empty()
                            ? "-"
                            : share_text(judgement.bit_equal + judgement.nan_payload_differences, judgement.elements),
                        non_finite                ? "inf/nan"
                        : judgement.model.empty() ? "-"
                                                  : std::to_string(judgement.worst_ulp),
                        judgement.errors ? fmt::format("{:.3g}", judgement.errors->worst_of_bound) : "-",
                        toned(kernels::judge::name_of(judgement.verdict), mark.tone, style)));
    }
    for (const Validation &validation : run.validations) {
        const Verdict verdict = validation.judgement.verdict;
        if (verdict == Verdict::skipped || (kernels::judge::is_pass(verdict) && !details)) continue;
        text.put("");
        text.put(fmt::format("  {}: {}", toned(validation.kernel, Tone::strong, style), validation.order));
        text.field("Inputs", validation.inputs);
        findings(text, validation.judgement);
    }
    if (skipped > 0) {
        text.put("");
        text.put(toned("  Skipped, so not judged:", Tone::faint, style));
    }
    for (const auto &[reason, kernels] : skipped_by_reason(run)) {
        text.hanging("    ", reason + ":");
        text.hanging("      ", fmt::format("{}", fmt::join(kernels, ", ")));
    }
    text.put("");
    text.put(fmt::format("  {} passed, {} failed, {} skipped", passed, failed, skipped));
    return text.take();
}

} // namespace halfscope::reports
