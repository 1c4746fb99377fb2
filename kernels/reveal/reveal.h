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

struct Revelation {
    std::string kernel, task;
    Problem problem;
    SummationTree tree;
    TermNames names;
    std::int64_t probes = 0; ///< sums that were run to find it
    /// The emulator in this order on random values: results held against the kernel's, and those with the same bits by
    /// the best of the steps that were tried.
    std::int64_t compared = 0, bit_equal = 0;
    std::string steps; ///< of that best one, in words
    [[nodiscard]] bool matches() const { return bit_equal == compared; }
};

/// For sum, dot and matmul. Throws std::invalid_argument for other tasks, std::runtime_error as find_tree does.
[[nodiscard]] Revelation reveal(const Kernel &kernel, const RevealOptions &options);

} // namespace halfscope::kernels::reveal
