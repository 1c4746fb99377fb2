// Where each value of a graph lives while it runs: in memory of its own, in an arena that values share over time, or in
// the memory of the value it is a view of.
#pragma once

#include "emulation/model/graph.h"

#include <cstddef>
#include <vector>

namespace halfscope::train {

struct MemoryPlan {
    struct Place {
        bool used = false;                 ///< some kept node reads or writes it
        bool own = false;                  ///< memory of its own, readable between runs
        model::ValueId root = model::none; ///< the value whose memory it shares (itself, when it is no view)
        std::size_t offset = 0;            ///< in the arena, when not own
    };
    std::vector<Place> places;        ///< per value
    std::vector<model::NodeId> nodes; ///< nodes that must run, in order; views and unneeded nodes are left out
    std::size_t arena_bytes = 0;
};

/// Keeps what `wanted` depends on. Wanted values, inputs, weights, buffers and constants get memory of their own;
/// others share an arena from their first to their last use (best fit, 64-byte steps). A reshape, or a cast to the same
/// type, is a view unless its result is wanted.
[[nodiscard]] MemoryPlan plan_memory(const model::Graph &graph, const std::vector<model::ValueId> &wanted);

} // namespace halfscope::train
