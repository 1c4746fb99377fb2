// "Did you mean": the valid name closest to what was typed.
#pragma once

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::cli {

/// Levenshtein distance.
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row.back();
}

/// The first of the closest names; empty when there are none.
[[nodiscard]] inline std::string nearest_name(std::string_view typed, const std::vector<std::string> &names) {
    const auto closest = std::min_element(names.begin(), names.end(), [&](const auto &a, const auto &b) {
        return edit_distance(typed, a) < edit_distance(typed, b);
    });
    return closest == names.end() ? std::string{} : *closest;
}

} // namespace halfscope::cli
