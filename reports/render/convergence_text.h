// A convergence sweep on the terminal.
#pragma once

#include "analysis/convergence/other_run.h"
#include "reports/render/terminal_text.h"

#include <span>
#include <string>

namespace halfscope::reports {

/// A sentence per recipe and per run from elsewhere, the table of figures behind them, and how they are to be read.
[[nodiscard]] std::string convergence_summary(const analysis::Convergence &convergence,
                                              std::span<const analysis::OtherRun> others, const TerminalStyle &style);

} // namespace halfscope::reports
