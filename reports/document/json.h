// The JSON flavour of every document: keys keep the order in which they were written, so that a person who opens
// report.json reads the verdict before the arrays, and the same assessment gives the same bytes.
#pragma once

#include <nlohmann/json.hpp>

#include <cmath>
#include <optional>
#include <utility>

namespace halfscope::reports {

using Json = nlohmann::ordered_json;

/// A number as documents hold it: JSON has no inf or NaN, so these are the strings "inf", "-inf" and "nan".
[[nodiscard]] inline Json number_or_name(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    return value;
}

[[nodiscard]] inline Json number_or_null(const std::optional<double> &value) {
    return value ? number_or_name(*value) : Json(nullptr);
}

/// [lo, hi], or null where there is no such range.
[[nodiscard]] inline Json range_or_null(const std::optional<std::pair<int, int>> &range) {
    return range ? Json::array({range->first, range->second}) : Json(nullptr);
}

/// Steps count from 0; "never" is negative in the records and null in documents.
[[nodiscard]] inline Json step_or_null(std::int64_t step) { return step >= 0 ? Json(step) : Json(nullptr); }

} // namespace halfscope::reports
