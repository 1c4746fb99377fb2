// A convergence sweep on the terminal.
#pragma once

#include "analysis/convergence/convergence.h"
#include "reports/render/terminal_text.h"

#include <string>

namespace halfscope::reports {

/// A sentence per recipe, the table of figures behind them, and how they are to be read.
[[nodiscard]] std::string convergence_summary(const analysis::Convergence &convergence, const TerminalStyle &style);

} // namespace halfscope::reports
