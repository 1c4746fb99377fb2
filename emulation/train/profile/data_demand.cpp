#include "emulation/train/profile/data_demand.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace halfscope::train {
namespace {

using model::Graph;
using model::Node;
using model::ValueId;
using ops::OpKind;

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

/// Operations that only move integers about.
bool moves_values(OpKind kind) {
    switch (kind) {
    case OpKind::cast:
    case OpKind::reshape:
    case OpKind::transpose:
    case OpKind::expand:
    case OpKind::slice: return true;
    default: return false;
    }
}

struct Use {
    std::int64_t limit = 0;
    bool as_target = false;
};

/// How the values of an int64 input are used: follow them through data movement to tables and losses.
Use use_of(const Graph &graph, ValueId input) {
    Use use;
    std::vector<bool> carries(graph.values.size());
    carries[at(input)] = true;
    const auto narrow = [&](std::int64_t limit) { use.limit = use.limit == 0 ? limit : std::min(use.limit, limit); };
    for (const Node &node : graph.nodes) {
        const auto carried = [&](std::size_t index) {
            return index < node.inputs.size() && carries[at(node.inputs[index])];
        };
        switch (node.operation.kind) {
        case OpKind::gather:
            if (carried(0)) carries[at(node.outputs.front())] = true; // one of the two ends of edges
            if (carried(1)) narrow(graph.value(node.inputs[0]).shape[node.operation.get<ops::Axis>().axis]);
            break;
        case OpKind::gather_elements:
            if (carried(1)) narrow(graph.value(node.inputs[0]).shape[node.operation.get<ops::Axis>().axis]);
            break;
        case OpKind::gather_gradient: // scatters
        case OpKind::gather_elements_gradient:
            if (carried(1)) narrow(graph.value(node.outputs.front()).shape[node.operation.get<ops::Axis>().axis]);
            break;
        case OpKind::nll_loss:
            if (carried(1)) {
                narrow(graph.value(node.inputs[0]).shape[1]);
                use.as_target = true;
            }
            break;
        case OpKind::one_hot:
            if (carried(0)) {
                const ops::Shape &shape = graph.value(node.outputs.front()).shape;
                const int axis = std::holds_alternative<ops::Axis>(node.operation.attributes)
                                     ? node.operation.get<ops::Axis>().axis
                                     : shape.rank() - 1;
                narrow(shape[axis]);
            }
            break;
        default:
            if (moves_values(node.operation.kind) && carried(0)) carries[at(node.outputs.front())] = true;
        }
    }
    return use;
}

bool has_operation(const Graph &graph, OpKind kind) {
    return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                       [&](const Node &node) { return node.operation.kind == kind; });
}

bool named_as_target(const std::string &name) {
    return name == "target" || name == "targets" || name == "label" || name == "labels" || name == "y";
}

data::Task task_of(const Graph &graph, const std::vector<data::Slot> &slots) {
    for (const data::Slot &target : slots) {
        if (!target.target) continue;
        if (target.dtype != ops::DType::int64)
            return has_operation(graph, OpKind::bce_with_logits) ? data::Task::binary : data::Task::regression;
        for (const data::Slot &input : slots)
            if (!input.target && input.dtype == ops::DType::int64 && target.limit > 0 && input.limit == target.limit &&
                input.shape.elements() == target.shape.elements() && input.shape.rank() > 1)
                return data::Task::language_model;
        return data::Task::classification;
    }
    return data::Task::none;
}

} // namespace

data::Demand demand_of(const Graph &graph) {
    if (graph.inputs.empty()) throw std::invalid_argument("the model has no inputs, so no data can be fed");
    data::Demand demand;
    const ops::Shape &first = graph.value(graph.inputs.front()).shape;
    demand.batch = first.rank() > 0 ? std::max<std::int64_t>(1, first[0]) : 1;
    for (ValueId id : graph.inputs) {
        const model::Value &value = graph.value(id);
        data::Slot slot{value.name, value.dtype, value.shape, value.role == model::Role::target, 0};
        if (value.dtype == ops::DType::int64) {
            const Use use = use_of(graph, id);
            slot.limit = use.limit;
            slot.target = slot.target || use.as_target;
        }
        slot.target = slot.target || named_as_target(value.name);
        slot.whole = value.shape.elements() % demand.batch != 0;
        if (slot.whole && slot.target)
            throw std::invalid_argument(
                fmt::format("the target '{}' of shape {} cannot be cut into the {} samples of '{}'", value.name,
                            value.shape.text(), demand.batch, graph.value(graph.inputs.front()).name));
        demand.slots.push_back(std::move(slot));
    }
    demand.task = task_of(graph, demand.slots);
    return demand;
}

} // namespace halfscope::train
