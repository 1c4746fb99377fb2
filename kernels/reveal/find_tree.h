// Finds the order of summation of a black box from outside.
//
// Method: Xie et al., "FPRev: Revealing the Order of Floating-Point Summation" (USENIX ATC 2025, arXiv 2411.00442).
// With +M at term i, -M at term j and ones elsewhere, M so large that it swallows any number of ones: every one added
// before the two masks meet is lost, every one added afterwards survives. So terms - surviving = the number of leaves
// below the node where i and j meet, and all pairs of these sizes determine the tree. As in the paper, the tree is
// built by recursion from the pairs of one term with all others, n - 1 probes for a chain or a few lanes, n (n - 1) / 2
// at worst. A node of more than two children is one where several terms find each other at one size.
#pragma once

#include "kernels/reveal/probe.h"
#include "kernels/reveal/summation_tree.h"

namespace halfscope::kernels::reveal {

struct FoundTree {
    SummationTree tree;
    std::int64_t probes = 0; ///< settings that were summed
};

/// Throws std::runtime_error with one sentence when there is no such tree: masks that do not swallow (a sum that is
/// exact, or in a wider format than the masks reach), masks that overflow, counts that contradict each other (an order
/// that depends on the values or changes between runs).
[[nodiscard]] FoundTree find_tree(const BlackBox &box);

} // namespace halfscope::kernels::reveal
