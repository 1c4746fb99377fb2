#include "emulation/train/demand.h"

#include <algorithm>

namespace halfscope::train {
namespace {

using ops::OpKind;

/// The node that takes `value` at operand `index`, looking through nodes that only pass integers on; null when there is
/// none.
const model::Node *taker(const model::Graph &graph, model::ValueId value, OpKind kind, std::size_t index) {
    for (const model::Node &node : graph.nodes) {
        if (node.operation.kind == kind && node.inputs.size() > index && node.inputs[index] == value) return &node;
        const bool passes_on = node.operation.kind == OpKind::reshape || node.operation.kind == OpKind::cast ||
                               node.operation.kind == OpKind::slice || node.operation.kind == OpKind::transpose;
        if (passes_on && !node.inputs.empty() && node.inputs.front() == value)
            if (const model::Node *found = taker(graph, node.outputs.front(), kind, index)) return found;
    }
    return nullptr;
}

/// Exclusive upper limit of an integer input, 0 when nothing bounds it.
std::int64_t limit_of(const model::Graph &graph, model::ValueId input) {
    if (const model::Node *lookup = taker(graph, input, OpKind::gather, 1)) {
        const int axis = lookup->operation.get<ops::Axis>().axis;
        return graph.value(lookup->inputs[0]).shape[axis];
    }
    if (const model::Node *loss = taker(graph, input, OpKind::nll_loss, 1)) {
        const ops::Shape &scores = graph.value(loss->inputs[0]).shape;
        return scores.rank() > 1 ? scores[1] : scores[0];
    }
    return 0;
}

bool feeds_loss_as_target(const model::Graph &graph, model::ValueId input) {
    for (const OpKind loss : {OpKind::nll_loss, OpKind::mse_loss, OpKind::bce_with_logits})
        if (taker(graph, input, loss, 1)) return true;
    return false;
}

data::Task task_of(const model::Graph &graph, const data::Demand &demand) {
    const auto target =
        std::find_if(demand.slots.begin(), demand.slots.end(), [](const auto &slot) { return slot.target; });
    if (target == demand.slots.end()) return data::Task::none;
    if (target->dtype == ops::DType::int64) {
        // As many targets as tokens: each position predicts the next one.
        const bool tokens = std::any_of(demand.slots.begin(), demand.slots.end(), [&](const data::Slot &slot) {
            return !slot.target && slot.dtype == ops::DType::int64 && slot.shape.rank() > 1 &&
                   slot.shape.elements() == target->shape.elements();
        });
        return tokens ? data::Task::language_model : data::Task::classification;
    }
    for (const model::Node &node : graph.nodes)
        if (node.operation.kind == OpKind::bce_with_logits) return data::Task::binary;
    return data::Task::regression;
}

} // namespace

data::Demand demand_of(const model::Graph &graph) {
    data::Demand demand;
    for (const model::ValueId id : graph.inputs) {
        const model::Value &value = graph.value(id);
        data::Slot slot;
        slot.name = value.name;
        slot.dtype = value.dtype;
        slot.shape = value.shape;
        slot.target = value.role == model::Role::target || feeds_loss_as_target(graph, id);
        if (value.dtype == ops::DType::int64) slot.limit = limit_of(graph, id);
        demand.slots.push_back(std::move(slot));
    }
    if (!demand.slots.empty() && demand.slots.front().shape.rank() > 0) demand.batch = demand.slots.front().shape[0];
    demand.task = task_of(graph, demand);
    return demand;
}

} // namespace halfscope::train
