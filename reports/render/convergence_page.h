// A sweep as one HTML file: sentences, curves over seeds, figures; interactive, and it needs no other file.
#pragma once

#include "reports/document/json.h"

#include <filesystem>

namespace halfscope::reports {

/// `document` is converge.json.
[[nodiscard]] std::string convergence_html(const Json &document);
void write_convergence_html(const Json &document, const std::filesystem::path &file);

} // namespace halfscope::reports
