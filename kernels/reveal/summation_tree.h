// The order in which a kernel adds up its terms, as a tree: leaves are terms, a node adds up its children.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace halfscope::kernels::reveal {

/// Terms are numbered 0 .. terms - 1; nodes follow, a node after its children, the root last. A node of two children is
/// one addition (or an fma, where a child is a product); one of more is a fused sum of them all, as a matrix unit
/// makes. Children are ordered by the smallest term below them; a mask can not see in which order the two operands of
/// an addition stand.
struct SummationTree {
    std::int64_t terms = 0;
    std::vector<std::vector<std::int64_t>> nodes; ///< children of node terms + i

    [[nodiscard]] std::int64_t root() const { return terms + static_cast<std::int64_t>(nodes.size()) - 1; }
    [[nodiscard]] bool is_term(std::int64_t id) const { return id < terms; }
    [[nodiscard]] std::span<const std::int64_t> children(std::int64_t id) const {
        return nodes[static_cast<std::size_t>(id - terms)];
    }
    /// Number of children of the widest node.
    [[nodiscard]] std::size_t widest() const;
};

} // namespace halfscope::kernels::reveal
