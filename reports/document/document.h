// report.json: everything a report shows, as one JSON document, schema "halfscope.report/1".
#pragma once

#include "analysis/verdict/assessment.h"
#include "reports/document/json.h"

#include <filesystem>
#include <iosfwd>
#include <string_view>

namespace halfscope::reports {

inline constexpr std::string_view report_schema = "halfscope.report/1";

/// The document that reports/document/report.schema.json describes. Depends on the assessment alone: no clock, no
/// host, so the same assessment gives the same bytes.
[[nodiscard]] Json to_document(const analysis::Assessment &assessment);

/// The document as text: one array of numbers per line, everything else indented, ends with a newline.
[[nodiscard]] std::string to_text(const Json &document);

/// Writes the document to `file`. Throws std::runtime_error with one sentence when it cannot be written; an older
/// file of that name is then left as it was.
void write_json(const analysis::Assessment &assessment, const std::filesystem::path &file);

} // namespace halfscope::reports
