// What `halfscope validate` found, for a terminal.
#pragma once

#include "kernels/record/validation.h"
#include "reports/render/terminal_text.h"

#include <string>

namespace halfscope::reports {

/// A table of the kernels that ran, those that did not with the reason, the counts; then, for every kernel that did not
/// pass and, with `details`, for every one that ran, what was found.
[[nodiscard]] std::string validation_text(const kernels::ValidationRun &run, const TerminalStyle &style, bool details);

/// What was found about one kernel: explanation, evidence, worst element, error and bound, tolerance.
[[nodiscard]] std::string judgement_text(const kernels::judge::Judgement &judgement, const TerminalStyle &style);

} // namespace halfscope::reports
