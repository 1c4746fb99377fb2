// Two runs side by side, as one self-contained HTML page without scripts.
#pragma once

#include "analysis/compare/run_difference.h"

#include <filesystem>
#include <string>

namespace halfscope::reports {

/// `before` and `after` name the runs, as given on the command line.
[[nodiscard]] std::string difference_page(const analysis::RunDifference &difference, const std::string &before,
                                          const std::string &after);

} // namespace halfscope::reports
