// Fields of a CSV table (RFC 4180).
#pragma once

#include <string>

namespace halfscope::reports {

/// Quoted where it must be.
[[nodiscard]] std::string csv_field(const std::string &text);
/// The shortest decimal that reads back as the same double; "nan", "inf", "-inf".
[[nodiscard]] std::string csv_number(double value);

} // namespace halfscope::reports
