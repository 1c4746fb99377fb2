// What `halfscope validate` found as one JSON document, schema "halfscope.validation/1".
#pragma once

#include "kernels/record/validation.h"
#include "reports/document/json.h"

#include <filesystem>
#include <string_view>

namespace halfscope::reports {

inline constexpr std::string_view validation_schema = "halfscope.validation/1";

/// The name of the document in a --out folder; `halfscope report` shows it when it is there.
inline constexpr std::string_view validation_file_name = "validation.json";

/// The document that reports/document/validation.schema.json describes.
[[nodiscard]] Json to_document(const kernels::ValidationRun &run);

/// One judgement as it stands in that document, for other commands that judge.
[[nodiscard]] Json to_document(const kernels::judge::Judgement &judgement);

/// The document of that name in `folder`; null where there is none. Throws std::runtime_error with one sentence when it
/// is something else.
[[nodiscard]] Json read_validation(const std::filesystem::path &folder);

/// Writes the document to `file`. Throws std::runtime_error with one sentence when it cannot be written.
void write_json(const kernels::ValidationRun &run, const std::filesystem::path &file);

} // namespace halfscope::reports
