#include "reports/document/csv_field.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::reports {

std::string csv_field(const std::string &text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"') result += '"';
        result += c;
    }
    return result += '"';
}

std::string csv_number(double value) { return std::isnan(value) ? "nan" : fmt::format("{}", value); }

} // namespace halfscope::reports
