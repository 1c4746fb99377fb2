#include "kernels/judge/difference_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

namespace halfscope::kernels::judge {
namespace {

/// What is special about the positions that wrong elements take along one axis of `size`.
std::string along(const std::set<std::int64_t> &positions, std::int64_t size, std::string_view one,
                  std::string_view many) {
    if (positions.empty() || static_cast<std::int64_t>(positions.size()) == size) return "";
    const std::int64_t first = *positions.begin(), last = *positions.rbegin();
    const auto count = static_cast<std::int64_t>(positions.size());
    if (count == 1) return fmt::format("all in {} {}", one, first);
    if (last - first + 1 == count) {
        std::string text = fmt::format("all in {} {} to {}", many, first, last);
        if (last == size - 1)
            for (const std::int64_t tile : {256, 128, 64, 32, 16, 8, 4})
                if (first == size / tile * tile && first > 0)
                    return text + fmt::format(", the last partial tile of {} {}", tile, many);
        for (const std::int64_t tile : {256, 128, 64, 32, 16, 8})
            if (first % tile == 0 && count % tile == 0)
                return text + fmt::format(", {} of {} {}", count == tile ? "one tile" : "whole tiles", tile, many);
        return text;
    }
    const std::int64_t stride = *std::next(positions.begin()) - first;
    bool regular = stride > 1;
    for (auto it = positions.begin(); regular && std::next(it) != positions.end(); ++it)
        regular = *std::next(it) - *it == stride;
    if (regular && count > 2) return fmt::format("all in every {}th of the {}, from {} on", stride, many, first);
    return "";
}

} // namespace

std::string pattern_of(const std::vector<std::int64_t> &wrong, const ops::Shape &shape) {
    if (wrong.empty() || shape.rank() == 0) return "";
    if (wrong.size() == 1) return "one element alone";
    const std::int64_t n = shape[shape.rank() - 1];
    const std::int64_t m = shape.rank() > 1 ? shape[shape.rank() - 2] : 1;
    std::set<std::int64_t> rows, columns, matrices;
    for (const std::int64_t index : wrong) {
        columns.insert(index % n);
        rows.insert(index / n % m);
        matrices.insert(index / (n * m));
    }
    std::vector<std::string> parts;
    const auto note = [&](const std::string &text) {
        if (!text.empty()) parts.push_back(text);
    };
    note(along(rows, m, "row", "rows"));
    note(along(columns, n, "column", "columns"));
    if (shape.rank() > 2) note(along(matrices, shape.elements() / (n * m), "matrix", "matrices"));
    return fmt::format("{}", fmt::join(parts, "; "));
}

} // namespace halfscope::kernels::judge
