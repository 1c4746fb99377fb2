// Who makes and who reads each value of a draft, as of now.
#pragma once

#include "emulation/model/onnx/draft.h"

#include <vector>

namespace halfscope::model::importing {

struct Use {
    std::size_t node;
    std::size_t operand;
};

class DraftUses {
  public:
    explicit DraftUses(const Draft &draft);

    [[nodiscard]] const std::vector<Use> &of(ValueId id) const { return uses_[static_cast<std::size_t>(id)]; }
    /// Index of the node that makes a value, or -1.
    [[nodiscard]] std::ptrdiff_t producer(ValueId id) const { return producers_[static_cast<std::size_t>(id)]; }
    [[nodiscard]] bool is_output(ValueId id) const { return outputs_[static_cast<std::size_t>(id)]; }
    /// Read once, and not an output of the model: it may disappear into a fused operation.
    [[nodiscard]] bool read_once(ValueId id) const { return of(id).size() == 1 && !is_output(id); }
    /// The node that makes `id` if it is of this kind, else null.
    [[nodiscard]] const DraftNode *made_by(ValueId id, ops::OpKind kind) const;

  private:
    const Draft &draft_;
    std::vector<std::vector<Use>> uses_;
    std::vector<std::ptrdiff_t> producers_;
    std::vector<bool> outputs_;
};

/// Marks nodes as removed when no output of the model depends on them.
void remove_dead(Draft &draft);

} // namespace halfscope::model::importing
