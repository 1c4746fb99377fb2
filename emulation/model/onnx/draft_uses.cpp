#include "emulation/model/onnx/draft_uses.h"

#include <algorithm>

namespace halfscope::model::importing {

DraftUses::DraftUses(const Draft &draft)
    : draft_(draft),
      uses_(draft.values.size()),
      producers_(draft.values.size(), -1),
      outputs_(draft.values.size(), false) {
    for (std::size_t n = 0; n < draft.nodes.size(); ++n) {
        const DraftNode &node = draft.nodes[n];
        if (node.removed) continue;
        for (std::size_t i = 0; i < node.inputs.size(); ++i)
            uses_[static_cast<std::size_t>(node.inputs[i])].push_back({n, i});
        for (ValueId id : node.outputs) producers_[static_cast<std::size_t>(id)] = static_cast<std::ptrdiff_t>(n);
    }
    for (const auto &[name, id] : draft.outputs) outputs_[static_cast<std::size_t>(id)] = true;
}

const DraftNode *DraftUses::made_by(ValueId id, ops::OpKind kind) const {
    const std::ptrdiff_t at = producer(id);
    if (at < 0) return nullptr;
    const DraftNode &node = draft_.nodes[static_cast<std::size_t>(at)];
    return node.operation.kind == kind && node.outputs.front() == id ? &node : nullptr;
}

void remove_dead(Draft &draft) {
    std::vector<bool> needed(draft.values.size(), false);
    for (const auto &[name, id] : draft.outputs) needed[static_cast<std::size_t>(id)] = true;
    for (std::size_t n = draft.nodes.size(); n-- > 0;) {
        DraftNode &node = draft.nodes[n];
        node.removed = node.removed || std::none_of(node.outputs.begin(), node.outputs.end(),
                                                    [&](ValueId id) { return needed[static_cast<std::size_t>(id)]; });
        if (node.removed) continue;
        for (ValueId id : node.inputs) needed[static_cast<std::size_t>(id)] = true;
    }
}

} // namespace halfscope::model::importing
