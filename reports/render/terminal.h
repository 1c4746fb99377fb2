// The summary a person reads in a terminal when a profile is done.
#pragma once

#include "analysis/verdict/assessment.h"
#include "reports/render/terminal_text.h"

#include <filesystem>
#include <string>

namespace halfscope::reports {

/// Verdicts first, one sentence each; then the loss curves; for each recipe that is not safe the cause, the remedy and
/// the layers hit hardest; what makes it safe, where that was searched for; the loss scales that fit; last where the
/// HTML report is (`html` empty: nothing is said). No line is wider than the style's width, except words that are
/// (paths, commands).
[[nodiscard]] std::string terminal_summary(const analysis::Assessment &assessment, const TerminalStyle &style,
                                           const std::filesystem::path &html = {});

} // namespace halfscope::reports
