// What `halfscope validate` found, as one self-contained HTML page without scripts.
#pragma once

#include "kernels/record/validation.h"

#include <filesystem>
#include <string>

namespace halfscope::reports {

[[nodiscard]] std::string validation_page(const kernels::ValidationRun &run);

/// Throws std::runtime_error with one sentence when `file` cannot be written.
void write_html(const kernels::ValidationRun &run, const std::filesystem::path &file);

} // namespace halfscope::reports
