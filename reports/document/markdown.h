// The verdicts as Markdown, for a comment on a pull request.
#pragma once

#include "analysis/verdict/assessment.h"

#include <filesystem>
#include <string>

namespace halfscope::reports {

/// A table with one row a recipe (verdict, final loss against fp32, memory, multiply-adds in 16 bits), then for each
/// recipe that is not safe its causes and remedies, and what was found to make it safe. GitHub's dialect.
[[nodiscard]] std::string to_markdown(const analysis::Assessment &assessment);

/// Throws std::runtime_error with one sentence when the file cannot be written.
void write_markdown(const analysis::Assessment &assessment, const std::filesystem::path &file);

} // namespace halfscope::reports
