// Two runs side by side, for a terminal.
#pragma once

#include "analysis/compare/run_difference.h"
#include "reports/render/terminal_text.h"

#include <string>
#include <string_view>

namespace halfscope::reports {

/// `before` and `after` name the runs, as given on the command line.
[[nodiscard]] std::string difference_text(const analysis::RunDifference &difference, std::string_view before,
                                          std::string_view after, const TerminalStyle &style);

} // namespace halfscope::reports
