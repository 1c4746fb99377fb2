// The verdicts as JUnit XML, which continuous integration systems show as test results.
#pragma once

#include "analysis/verdict/assessment.h"

#include <filesystem>
#include <string>

namespace halfscope::reports {

/// A <testsuite> with one <testcase> a recipe: unsafe is a failure, no verdict an error, risky passes with its warning
/// in <system-out>. `time` is the sum of the run's steps in seconds.
[[nodiscard]] std::string to_junit(const analysis::Assessment &assessment);

/// Throws std::runtime_error with one sentence when the file cannot be written.
void write_junit(const analysis::Assessment &assessment, const std::filesystem::path &file);

} // namespace halfscope::reports
