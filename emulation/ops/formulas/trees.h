// The fixed tree of operation.h over contiguous arrays, at SIMD speed for fp32: the bits of reduction/tree.h.
#pragma once

#include "emulation/ops/reduction/tree.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace halfscope::ops::formulas {

/// One chunk, 0 < count <= reduction::tree_chunk. Each product, difference and square is rounded.
float chunk_sum(const float *x, std::size_t count);
float chunk_max(const float *x, std::size_t count);
float chunk_sum_squares(const float *x, std::size_t count);                           ///< x * x
float chunk_sum_products(const float *a, const float *b, std::size_t count);          ///< a * b
float chunk_sum_squared_differences(const float *x, float centre, std::size_t count); ///< (x - centre)^2
float chunk_sum_centred_products(const float *x, float centre, const float *y,
                                 std::size_t count); ///< (x - centre) * y

inline double chunk_sum(const double *x, std::size_t count) {
    return reduction::tree_sum(x, static_cast<std::int64_t>(count));
}
inline double chunk_max(const double *x, std::size_t count) {
    return reduction::tree_max(x, static_cast<std::int64_t>(count));
}
inline double chunk_sum_squares(const double *x, std::size_t count) {
    return reduction::tree_sum_squares(x, static_cast<std::int64_t>(count));
}
inline double chunk_sum_products(const double *a, const double *b, std::size_t count) {
    return reduction::tree_sum_products(a, b, static_cast<std::int64_t>(count));
}
inline double chunk_sum_squared_differences(const double *x, double centre, std::size_t count) {
    return reduction::tree_sum_squared_differences(x, centre, static_cast<std::int64_t>(count));
}
inline double chunk_sum_centred_products(const double *x, double centre, const double *y, std::size_t count) {
    return reduction::tree_sum<double>(static_cast<std::int64_t>(count),
                                       [=](std::int64_t i) { return (x[i] - centre) * y[i]; });
}

/// The tree over n >= 1 elements, from its chunks: of_chunk(first, count) reduces one, and the chunk results are
/// reduced by Step's tree.
template <typename Step, typename C, typename OfChunk> C tree_of_chunks(std::int64_t n, const OfChunk &of_chunk) {
    if (n <= reduction::tree_chunk) return of_chunk(std::int64_t{0}, static_cast<std::size_t>(n));
    std::vector<C> chunks;
    for (std::int64_t first = 0; first < n; first += reduction::tree_chunk)
        chunks.push_back(of_chunk(first, static_cast<std::size_t>(std::min(reduction::tree_chunk, n - first))));
    const C *values = chunks.data();
    return reduction::tree<Step, C>(static_cast<std::int64_t>(chunks.size()),
                                    [=](std::int64_t i) { return values[i]; });
}

/// Whole arrays of n >= 1 elements.
template <typename C> C tree_sum(const C *x, std::int64_t n) {
    return tree_of_chunks<reduction::Sum<C>, C>(
        n, [x](std::int64_t first, std::size_t count) { return chunk_sum(x + first, count); });
}
template <typename C> C tree_max(const C *x, std::int64_t n) {
    return tree_of_chunks<reduction::Maximum<C>, C>(
        n, [x](std::int64_t first, std::size_t count) { return chunk_max(x + first, count); });
}
template <typename C> C tree_sum_squares(const C *x, std::int64_t n) {
    return tree_of_chunks<reduction::Sum<C>, C>(
        n, [x](std::int64_t first, std::size_t count) { return chunk_sum_squares(x + first, count); });
}
template <typename C> C tree_sum_products(const C *a, const C *b, std::int64_t n) {
    return tree_of_chunks<reduction::Sum<C>, C>(
        n, [=](std::int64_t first, std::size_t count) { return chunk_sum_products(a + first, b + first, count); });
}
template <typename C> C tree_sum_squared_differences(const C *x, C centre, std::int64_t n) {
    return tree_of_chunks<reduction::Sum<C>, C>(n, [=](std::int64_t first, std::size_t count) {
        return chunk_sum_squared_differences(x + first, centre, count);
    });
}

} // namespace halfscope::ops::formulas
