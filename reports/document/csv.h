// The curves as a table that any spreadsheet or plotting program reads.
#pragma once

#include "analysis/verdict/assessment.h"

#include <filesystem>
#include <string>

namespace halfscope::reports {

/// One line per run and step: run,step,loss,loss_scale,skipped,gradient_norm. The fp32 twin comes first, then its
/// siblings ("fp32#2", ...; loss only, other fields empty), then the recipes. Numbers are the shortest that read back
/// to the same double; non-finite ones are inf, -inf, nan; skipped is 0 or 1. RFC 4180 quoting, "\n" line ends.
[[nodiscard]] std::string to_csv(const analysis::Assessment &assessment);

/// Throws std::runtime_error with one sentence when `file` cannot be written.
void write_csv(const analysis::Assessment &assessment, const std::filesystem::path &file);

} // namespace halfscope::reports
