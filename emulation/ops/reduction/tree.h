// The fixed reduction tree(x_0 .. x_n-1) of operation.h, written once. Every sum, product and maximum over many
// elements goes through it, so that a warp, a SIMD register and a plain loop give the same bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace halfscope::ops::reduction {

inline constexpr std::int64_t tree_lanes = 32;
inline constexpr std::int64_t tree_chunk = 4096;

/// Combining steps. `start(first)` is what every lane holds before its elements arrive, given the first element.
template <typename C> struct Sum {
    static constexpr bool starts_from_first = false;
    static C start(C) { return C(0); }
    static C combine(C a, C b) { return a + b; }
};
template <typename C> struct Product {
    static constexpr bool starts_from_first = false;
    static C start(C) { return C(1); }
    static C combine(C a, C b) { return a * b; }
};
/// NaN when either is; of equals the first, so that +0 and -0 keep their order of arrival.
template <typename C> struct Maximum {
    static constexpr bool starts_from_first = true;
    static C start(C first) { return first; }
    static C combine(C a, C b) { return a >= b || std::isnan(a) ? a : b; }
};
template <typename C> struct Minimum {
    static constexpr bool starts_from_first = true;
    static C start(C first) { return first; }
    static C combine(C a, C b) { return a <= b || std::isnan(a) ? a : b; }
};

/// Lanes 0..31 into one: i with i + 16, then + 8, + 4, + 2, + 1.
template <typename Step, typename C> C combine_lanes(C *lanes) {
    for (std::int64_t half = tree_lanes / 2; half > 0; half /= 2)
        for (std::int64_t i = 0; i < half; ++i) lanes[i] = Step::combine(lanes[i], lanes[i + half]);
    return lanes[0];
}

/// One chunk: load(i) for i in [first, first + count), 0 < count <= tree_chunk.
template <typename Step, typename C, typename Load> C tree_of_chunk(std::int64_t first, std::int64_t count, Load load) {
    C lanes[tree_lanes];
    std::fill_n(lanes, tree_lanes, Step::start(load(first)));
    const std::int64_t whole = count / tree_lanes * tree_lanes;
    for (std::int64_t i = 0; i < whole; i += tree_lanes)
        for (std::int64_t lane = 0; lane < tree_lanes; ++lane)
            lanes[lane] = Step::combine(lanes[lane], load(first + i + lane));
    for (std::int64_t i = whole; i < count; ++i) lanes[i - whole] = Step::combine(lanes[i - whole], load(first + i));
    return combine_lanes<Step>(lanes);
}

/// The tree over values already in memory, which it overwrites: chunk results replace the values until one is left.
template <typename Step, typename C> C tree_in_place(C *values, std::int64_t n) {
    const auto load = [values](std::int64_t i) { return values[i]; };
    while (n > tree_chunk) {
        std::int64_t chunks = 0;
        for (std::int64_t first = 0; first < n; first += tree_chunk)
            values[chunks++] = tree_of_chunk<Step, C>(first, std::min(tree_chunk, n - first), load);
        n = chunks;
    }
    return n > 0 ? tree_of_chunk<Step, C>(0, n, load) : Step::start(C(0));
}

/// The tree over load(0) .. load(n - 1); load is called once per element (once more for a chunk's first). n = 0 gives
/// Step::start(0).
template <typename Step, typename C, typename Load> C tree(std::int64_t n, Load load) {
    if (n <= 0) return Step::start(C(0));
    if (n <= tree_chunk) return tree_of_chunk<Step, C>(0, n, load);
    std::vector<C> chunks;
    chunks.reserve(static_cast<std::size_t>((n + tree_chunk - 1) / tree_chunk));
    for (std::int64_t first = 0; first < n; first += tree_chunk)
        chunks.push_back(tree_of_chunk<Step, C>(first, std::min(tree_chunk, n - first), load));
    return tree_in_place<Step>(chunks.data(), static_cast<std::int64_t>(chunks.size()));
}

/// Sum of load(i), for example tree_sum<float>(n, [&](std::int64_t i) { return x[i * stride]; }).
template <typename C, typename Load> C tree_sum(std::int64_t n, Load load) { return tree<Sum<C>, C>(n, load); }
/// Maximum of load(i); n > 0.
template <typename C, typename Load> C tree_max(std::int64_t n, Load load) { return tree<Maximum<C>, C>(n, load); }

/// Contiguous arrays (the fast path): sum x, max x, sum x*x (product rounded, then added), sum a*b (likewise),
/// sum (x - centre)^2 (difference and square rounded).
template <typename C> C tree_sum(const C *x, std::int64_t n) {
    return tree_sum<C>(n, [x](std::int64_t i) { return x[i]; });
}
template <typename C> C tree_max(const C *x, std::int64_t n) {
    return tree_max<C>(n, [x](std::int64_t i) { return x[i]; });
}
template <typename C> C tree_sum_squares(const C *x, std::int64_t n) {
    return tree_sum<C>(n, [x](std::int64_t i) { return x[i] * x[i]; });
}
template <typename C> C tree_sum_products(const C *a, const C *b, std::int64_t n) {
    return tree_sum<C>(n, [a, b](std::int64_t i) { return a[i] * b[i]; });
}
template <typename C> C tree_sum_squared_differences(const C *x, C centre, std::int64_t n) {
    return tree_sum<C>(n, [x, centre](std::int64_t i) { return (x[i] - centre) * (x[i] - centre); });
}

} // namespace halfscope::ops::reduction
