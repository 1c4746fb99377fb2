// A self-contained HTML page without scripts, for documents that are tables.
#pragma once

#include <string>
#include <string_view>

namespace halfscope::reports {

/// `body` is HTML; `title` is escaped here. Light and dark by the reader's setting; fetches nothing.
/// Classes for the body: wide (scrolls sideways), number, good, fine, bad, quiet.
[[nodiscard]] std::string plain_page(std::string_view title, std::string_view body);

} // namespace halfscope::reports
