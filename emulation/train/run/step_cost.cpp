#include "emulation/train/run/step_cost.h"

#include <algorithm>
#include <set>

namespace halfscope::train {
namespace {

using model::ValueId;
using ops::OpKind;

std::int64_t bytes_of(const model::Value &value) {
    return value.shape.elements() * static_cast<std::int64_t>(ops::size_of(value.dtype));
}

std::int64_t bytes_of(const ops::TensorView &view) { return view.data ? static_cast<std::int64_t>(view.bytes()) : 0; }

bool made_forward(const model::Graph &graph, ValueId id) {
    const model::NodeId producer = graph.value(id).producer;
    return producer != model::none && graph.node(producer).phase == model::Phase::forward;
}

/// The value whose memory this one shares: reshapes are views.
ValueId storage_of(const model::Graph &graph, ValueId id) {
    for (;;) {
        const model::NodeId producer = graph.value(id).producer;
        if (producer == model::none || graph.node(producer).operation.kind != OpKind::reshape) return id;
        id = graph.node(producer).inputs.front();
    }
}

} // namespace

std::int64_t multiply_adds(const model::Graph &graph, const model::Node &node) {
    const auto shape = [&](std::size_t input) -> const ops::Shape & { return graph.value(node.inputs[input]).shape; };
    const ops::Shape &result = graph.value(node.outputs.front()).shape;
    // A filter [out, in / groups, kernel...] is used once for each pixel of each output channel.
    const auto filter_uses = [](const ops::Shape &filter, const ops::Shape &output) {
        return output.elements() * (filter.elements() / std::max<std::int64_t>(1, filter[0]));
    };
    switch (node.operation.kind) {
    case OpKind::matmul: {
        const ops::Shape &a = shape(0);
        return result.elements() * a[node.operation.get<ops::Matmul>().transpose_a ? a.rank() - 2 : a.rank() - 1];
    }
    case OpKind::convolution: return filter_uses(shape(1), result);
    case OpKind::convolution_input_gradient: return filter_uses(shape(1), shape(0));
    case OpKind::convolution_weight_gradient: return filter_uses(result, shape(0));
    default: return 0;
    }
}

trace::StepCost step_cost(const model::Graph &graph, const Optimizer &optimizer, const WeightAverage *average) {
    trace::StepCost cost;
    for (ValueId weight : graph.weights) cost.weight_bytes += bytes_of(graph.value(weight));
    for (const model::Value &value : graph.values) // casts of weights, shared for the whole step
        if (value.role == model::Role::weight && value.producer != model::none) cost.weight_bytes += bytes_of(value);
    for (const Parameter &parameter : optimizer.parameters()) {
        if (parameter.has_master()) cost.master_bytes += bytes_of(parameter.value);
        cost.gradient_bytes += bytes_of(parameter.gradient);
        for (const StateTensor *state : {&parameter.first, &parameter.second, &parameter.compensation})
            cost.state_bytes += bytes_of(state->view);
    }

    if (average)
        for (const AveragedWeight &weight : average->weights()) cost.state_bytes += bytes_of(weight.kept.view);

    std::set<ValueId> kept;
    const auto is_fed = [&](ValueId id) {
        const model::Role role = graph.value(id).role;
        return id != graph.loss_scale && (role == model::Role::input || role == model::Role::target);
    };
    for (const model::Node &node : graph.nodes) {
        const std::int64_t products = multiply_adds(graph, node);
        cost.multiply_adds += products;
        const bool narrow = products > 0 && std::all_of(node.inputs.begin(), node.inputs.begin() + 2, [&](ValueId id) {
                                return ops::is_16bit(graph.value(id).dtype);
                            });
        if (narrow) cost.multiply_adds_16bit += products;
        if (node.phase != model::Phase::backward) continue;
        for (ValueId input : node.inputs) {
            const ValueId stored = storage_of(graph, input);
            const bool made = made_forward(graph, stored) && graph.value(stored).role != model::Role::weight;
            if (made || is_fed(stored)) kept.insert(stored);
        }
    }
    for (ValueId id : kept) cost.activation_bytes += bytes_of(graph.value(id));
    return cost;
}

} // namespace halfscope::train
