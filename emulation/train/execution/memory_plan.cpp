#include "emulation/train/execution/memory_plan.h"

#include <algorithm>
#include <map>

namespace halfscope::train {
namespace {

using model::Graph;
using model::Node;
using model::NodeId;
using model::ValueId;

std::size_t at(std::int32_t id) { return static_cast<std::size_t>(id); }

std::size_t bytes_of(const model::Value &value) {
    const std::size_t bytes = static_cast<std::size_t>(value.shape.elements()) * ops::size_of(value.dtype);
    return std::max<std::size_t>(64, (bytes + 63) / 64 * 64);
}

/// Free stretches of the arena by offset.
class Arena {
  public:
    std::size_t take(std::size_t bytes) {
        auto best = free_.end();
        for (auto it = free_.begin(); it != free_.end(); ++it)
            if (it->second >= bytes && (best == free_.end() || it->second < best->second)) best = it;
        if (best == free_.end()) {
            // Grow, reusing a free stretch that reaches the end.
            std::size_t offset = size_;
            if (!free_.empty() && free_.rbegin()->first + free_.rbegin()->second == size_) {
                offset = free_.rbegin()->first;
                free_.erase(offset);
            }
            size_ = offset + bytes;
            return offset;
        }
        const auto [offset, length] = *best;
        free_.erase(best);
        if (length > bytes) free_[offset + bytes] = length - bytes;
        return offset;
    }
    void give(std::size_t offset, std::size_t bytes) {
        auto next = free_.lower_bound(offset);
        if (next != free_.end() && offset + bytes == next->first) {
            bytes += next->second;
            next = free_.erase(next);
        }
        if (next != free_.begin()) {
            auto previous = std::prev(next);
            if (previous->first + previous->second == offset) {
                previous->second += bytes;
                return;
            }
        }
        free_[offset] = bytes;
    }
    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    std::map<std::size_t, std::size_t> free_;
    std::size_t size_ = 0;
};

bool is_view(const Graph &graph, const Node &node) {
    const auto kind = node.operation.kind;
    if (kind != ops::OpKind::reshape && kind != ops::OpKind::cast) return false;
    return graph.value(node.inputs.front()).dtype == graph.value(node.outputs.front()).dtype;
}

} // namespace

MemoryPlan plan_memory(const Graph &graph, const std::vector<ValueId> &wanted) {
    MemoryPlan plan;
    plan.places.resize(graph.values.size());
    std::vector<bool> is_wanted(graph.values.size());
    for (ValueId id : wanted)
        if (id != model::none) is_wanted[at(id)] = plan.places[at(id)].used = true;

    std::vector<bool> needed(graph.nodes.size());
    for (std::size_t i = graph.nodes.size(); i-- > 0;) {
        const Node &node = graph.nodes[i];
        needed[i] =
            std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) { return plan.places[at(id)].used; });
        if (needed[i])
            for (ValueId id : node.inputs) plan.places[at(id)].used = true;
    }

    for (std::size_t id = 0; id < plan.places.size(); ++id) {
        plan.places[id].root = static_cast<ValueId>(id);
        plan.places[id].own = is_wanted[id] || graph.values[id].producer == model::none;
    }
    std::vector<std::int64_t> last_use(graph.values.size(), -1);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        if (!needed[i]) continue;
        const Node &node = graph.nodes[i];
        if (const ValueId out = node.outputs.front(); is_view(graph, node) && !is_wanted[at(out)]) {
            plan.places[at(out)].root = plan.places[at(node.inputs.front())].root;
        } else {
            plan.nodes.push_back(static_cast<NodeId>(i));
        }
        for (const auto &ids : {node.inputs, node.outputs})
            for (ValueId id : ids) {
                plan.places[at(id)].used = true;
                last_use[at(plan.places[at(id)].root)] = static_cast<std::int64_t>(i);
            }
    }

    Arena arena;
    std::vector<std::vector<ValueId>> ends(graph.nodes.size());
    for (std::size_t id = 0; id < last_use.size(); ++id)
        if (last_use[id] >= 0 && !plan.places[id].own && plan.places[id].root == static_cast<ValueId>(id))
            ends[static_cast<std::size_t>(last_use[id])].push_back(static_cast<ValueId>(id));
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        if (!needed[i]) continue;
        for (ValueId id : graph.nodes[i].outputs) {
            auto &place = plan.places[at(id)];
            if (!place.own && place.root == id) place.offset = arena.take(bytes_of(graph.value(id)));
        }
        for (ValueId id : ends[i]) arena.give(plan.places[at(id)].offset, bytes_of(graph.value(id)));
    }
    plan.arena_bytes = arena.size();
    return plan;
}

} // namespace halfscope::train
