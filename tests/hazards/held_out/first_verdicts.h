// What the judge said of the held-out networks the first time it saw them, before anything was changed on their
// account: the one honest sample. Written once (halfscope_hazards --held-out --record-first) and kept.
#pragma once

#include "tests/hazards/scorecard.h"

#include <filesystem>
#include <vector>

namespace halfscope::hazards {

/// `rows` with the stored verdicts and causes in place of their own; rows that were never stored are left out. Throws
/// std::runtime_error naming the file and line.
[[nodiscard]] std::vector<Row> first_verdicts(const std::vector<Row> &rows, const std::filesystem::path &file);
/// Adds the rows that the file does not hold yet; what it holds stays.
void record_first_verdicts(const std::vector<Row> &rows, const std::filesystem::path &file);

} // namespace halfscope::hazards
