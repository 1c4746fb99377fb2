#include "emulation/train/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace halfscope::train {
namespace {

/// Levenshtein distance.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({substitute, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

} // namespace

std::string did_you_mean(std::string_view written, std::span<const std::string> names) {
    std::string best;
    std::size_t least = written.size() / 3 + 2;
    for (const std::string &name : names)
        if (const std::size_t d = distance(written, name); d < least) least = d, best = name;
    return best.empty() ? "" : " (did you mean '" + best + "'?)";
}

std::string nearest_name(std::string_view written, std::span<const std::string> names) {
    const auto closest = std::min_element(names.begin(), names.end(), [&](const auto &a, const auto &b) {
        return distance(written, a) < distance(written, b);
    });
    return closest == names.end() ? std::string{} : *closest;
}

} // namespace halfscope::train
