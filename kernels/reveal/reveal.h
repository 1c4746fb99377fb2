// `halfscope validate --reveal`: the order of a kernel's sums found from outside, and the emulator run in that order.
#pragma once

#include "kernels/registry/kernel.h"
#include "kernels/reveal/describe_tree.h"
#include "kernels/reveal/probe.h"
#include "kernels/reveal/summation_tree.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::kernels::reveal {

struct RevealOptions {
    /// Length of a sum or dot (default 1024); m = n = k of a matmul (default 128). Rounded up to what the kernel takes.
    std::int64_t size = 0;
    std::uint64_t seed = 0;
};

/// One order, and the results on random values that the emulator in this order gives the bits of.
struct Order {
    SummationTree tree;
    std::int64_t element = 0;   ///< where it was found: row-major
    std::int64_t bit_equal = 0; ///< results, of those that no order before explains, with the same bits
    std::string steps;          ///< of the best of the steps that were tried, in words
};

struct Revelation {
    std::string kernel, task;
    Problem problem;
    TermNames names;
    std::vector<Order> orders; ///< at least one
    std::int64_t probes = 0;   ///< sums that were run to find them
    std::int64_t compared = 0; ///< results on random values, held against the emulator's
    [[nodiscard]] std::int64_t bit_equal() const;
    [[nodiscard]] bool matches() const { return bit_equal() == compared; }
};

/// Of a product that takes several.
inline constexpr int most_orders = 16;

/// For sum, dot and matmul. A matmul may take other orders at the edges of its tiles: while there are results that no
/// order found so far explains, the first of them is looked at too, up to most_orders in all. Throws
/// std::invalid_argument for other tasks, std::runtime_error as find_tree does.
[[nodiscard]] Revelation reveal(const Kernel &kernel, const RevealOptions &options);

} // namespace halfscope::kernels::reveal
