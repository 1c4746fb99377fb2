// Fills in what a bundled page leaves open.
#pragma once

#include "reports/document/json.h"

#include <string>
#include <string_view>

namespace halfscope::reports {

/// `page` is one that reports/web/bundle.mjs made: its {{title}} becomes `subject` (escaped here) and the program's
/// name, {{summary}} the HTML `summary` for readers without JavaScript, {{data}} the JSON. Throws std::logic_error when
/// one of them is missing.
[[nodiscard]] std::string filled_page(std::string_view page, std::string_view subject, std::string_view summary,
                                      const Json &data);

} // namespace halfscope::reports
