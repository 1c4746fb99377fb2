// A summation tree in words: chains, lanes and equal parts are named, so that a thousand terms take a few lines.
#pragma once

#include "kernels/reveal/summation_tree.h"

#include <string>
#include <vector>

namespace halfscope::kernels::reveal {

/// One line of the description, `depth` levels below the first.
struct TreeLine {
    int depth = 0;
    std::string text;
};

/// How terms are called.
struct TermNames {
    std::string index = "k";       ///< "k = 0..15"
    std::int64_t accumulator = -1; ///< this term is operand c; -1: none
};

/// At most `most_lines` lines, the last of which says how many more there would be.
///
///   chain of 64 fused adds of 16 terms, k = 0..15, 16..31, ..., 1008..1023
///   8 lanes, k mod 8, joined in pairs 4 apart, then 2, then 1; each
///     chain over k = 0, 8, ..., 1016
[[nodiscard]] std::vector<TreeLine> describe(const SummationTree &tree, const TermNames &names,
                                             std::size_t most_lines = 40);

} // namespace halfscope::kernels::reveal
