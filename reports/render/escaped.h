// Text inside an HTML page.
#pragma once

#include <string>
#include <string_view>

namespace halfscope::reports {

/// `text` with &, <, > and " as entities: safe in content and in quoted attributes.
[[nodiscard]] std::string escaped(std::string_view text);

} // namespace halfscope::reports
