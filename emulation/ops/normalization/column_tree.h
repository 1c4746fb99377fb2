// tree() down the columns of a matrix of terms, many columns at a time.
#pragma once

#include "emulation/ops/reduction/tree.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace halfscope::ops::normalization {

/// Columns one task reduces: 32 lanes of them in fp32 are 8 KiB.
inline constexpr std::int64_t column_task = 64;

/// sums[j] = tree over rows r of term r of column j, for `columns` <= column_task columns and `rows` > 0.
/// terms(r, out) writes the terms of row r.
template <typename C, typename Terms>
void column_trees(std::int64_t rows, std::int64_t columns, C *sums, const Terms &terms) {
    using reduction::tree_chunk;
    using reduction::tree_lanes;
    const std::int64_t chunks = (rows + tree_chunk - 1) / tree_chunk;
    std::vector<C> chunk_sums(static_cast<std::size_t>(chunks * columns)); // [columns, chunks]
    alignas(64) C lanes[tree_lanes][column_task];
    alignas(64) C row[column_task];
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
        for (auto &lane : lanes) std::fill(lane, lane + columns, C(0));
        const std::int64_t end = std::min(rows, (chunk + 1) * tree_chunk);
        for (std::int64_t r = chunk * tree_chunk; r < end; ++r) {
            terms(r, row);
            C *lane = lanes[r % tree_lanes]; // chunks are whole numbers of lanes
            for (std::int64_t j = 0; j < columns; ++j) lane[j] += row[j];
        }
        for (std::int64_t half = tree_lanes / 2; half > 0; half /= 2)
            for (std::int64_t i = 0; i < half; ++i)
                for (std::int64_t j = 0; j < columns; ++j) lanes[i][j] += lanes[i + half][j];
        for (std::int64_t j = 0; j < columns; ++j)
            chunk_sums[static_cast<std::size_t>(j * chunks + chunk)] = lanes[0][j];
    }
    for (std::int64_t j = 0; j < columns; ++j)
        sums[j] = chunks == 1 ? chunk_sums[static_cast<std::size_t>(j)]
                              : reduction::tree_sum(chunk_sums.data() + j * chunks, chunks);
}

} // namespace halfscope::ops::normalization
