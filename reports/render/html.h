// report.html: one self-contained page that works offline and fetches nothing.
#pragma once

#include "analysis/verdict/assessment.h"
#include "reports/document/json.h"

#include <filesystem>
#include <string>

namespace halfscope::reports {

/// The page: reports/web's bundled script and styles, and the assessment as JSON inside it (page_data.h). `validation`:
/// a halfscope.validation/1 document that joins it, or null.
[[nodiscard]] std::string to_html(const analysis::Assessment &assessment, const Json &validation = nullptr);

/// Throws std::runtime_error with one sentence when `file` cannot be written.
void write_html(const analysis::Assessment &assessment, const std::filesystem::path &file,
                const Json &validation = nullptr);

} // namespace halfscope::reports
