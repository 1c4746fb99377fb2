// The `fix` object of a recipe in report.json, and back.
#pragma once

#include "analysis/verdict/assessment.h"
#include "reports/document/json.h"

#include <filesystem>
#include <optional>

namespace halfscope::reports {

/// null where no fix was searched for.
[[nodiscard]] Json fix_document(const std::optional<analysis::Fix> &fix);

/// The memory and multiply-adds of a step, as report.json has them; null where they are not known.
[[nodiscard]] Json cost_document(const std::optional<trace::StepCost> &cost);

/// Gives the assessment of a trace the fixes that its report.json in the same directory tells of: they were found by
/// runs that the trace does not hold. Nothing happens when there is no such file or it is of another run.
void restore_fixes(analysis::Assessment &assessment, const std::filesystem::path &directory);

} // namespace halfscope::reports
