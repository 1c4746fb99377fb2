#include "emulation/model/autodiff/differentiate.h"

#include "emulation/model/autodiff/rules.h"

#include <fmt/format.h>

#include <stdexcept>

namespace halfscope::model {
namespace {

using autodiff::Backward;
using autodiff::derivative_of;
using autodiff::Tape;

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

/// Values whose gradient could be asked for: trained, or computed by differentiable steps from a trained one.
std::vector<bool> reached_from(const Graph &graph, std::span<const ValueId> trained) {
    std::vector<bool> reached(graph.values.size());
    for (ValueId id : trained) reached[at(id)] = true;
    for (const Node &node : graph.nodes) {
        const bool flows = derivative_of(node.operation.kind).stops.empty();
        for (ValueId operand : node.inputs)
            if (flows && reached[at(operand)])
                for (ValueId output : node.outputs)
                    if (ops::is_floating(graph.value(output).dtype)) reached[at(output)] = true;
    }
    return reached;
}

/// Values on which the loss depends.
std::vector<bool> leads_to_loss(const Graph &graph) {
    std::vector<bool> leads(graph.values.size());
    leads[at(graph.loss)] = true;
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node)
        for (ValueId output : node->outputs)
            if (leads[at(output)])
                for (ValueId operand : node->inputs) leads[at(operand)] = true;
    return leads;
}

/// Refuses, all at once, nodes on the way whose derivative is not known: no rule, or a saved statistic used as a value.
void require_derivatives(const Graph &graph, const std::vector<bool> &needs) {
    std::string unknown;
    for (const Node &node : graph.nodes)
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            if (!needs[at(node.outputs[i])] || (i == 0 && derivative_of(node.operation.kind).rule)) continue;
            unknown += fmt::format("{}'{}' ({}{})", unknown.empty() ? "" : ", ", node.name,
                                   ops::name_of(node.operation.kind), i > 0 ? ", through its saved statistics" : "");
        }
    if (!unknown.empty())
        throw std::invalid_argument("the loss depends on weights through operations without a derivative: " + unknown);
}

/// The gradient of `value` is complete: give it its name and make it findable from the value.
void settle(Tape &tape, ValueId value) {
    Graph &graph = tape.graph;
    const ValueId total = tape.gradient[at(value)];
    if (total == none) return;
    graph.value(value).gradient = total;
    const std::string name = graph.value(value).name + ".grad";
    const Role role = graph.value(value).role == Role::weight ? Role::weight_gradient : Role::gradient;
    const auto claim = [&](ValueId id) {
        graph.value(id).layer = graph.value(value).layer;
        graph.value(id).role = role;
    };
    const auto &parts = tape.parts[at(value)];
    if (parts.size() > 1)
        for (std::size_t i = 0; i < parts.size(); ++i)
            if (graph.value(parts[i]).gradient_of == none) {
                claim(parts[i]);
                graph.rename(parts[i], fmt::format("{}.{}", name, i + 1));
            }
    if (graph.value(total).gradient_of != none) return; // handed on unchanged: it is the gradient of a later value too
    claim(total);
    graph.value(total).gradient_of = value;
    graph.rename(total, name);
}

/// The seed: loss_scale in the loss's type and shape.
void seed(Tape &tape) {
    Graph &graph = tape.graph;
    const Value loss = graph.value(graph.loss);
    Value scale;
    scale.name = "loss_scale";
    scale.role = Role::input;
    graph.loss_scale = graph.add_value(std::move(scale));
    const auto append = [&](ops::OpKind kind, ValueId operand) {
        const ValueId made = graph.add_node({kind, {}, {}}, {operand}, loss.name + ".seed", "", loss.dtype,
                                            kind == ops::OpKind::reshape ? std::optional(loss.shape) : std::nullopt);
        Node &node = graph.nodes.back();
        node.phase = Phase::backward;
        node.differentiates = loss.producer;
        graph.value(made).role = Role::gradient;
        return made;
    };
    ValueId gradient = append(ops::OpKind::cast, graph.loss_scale);
    if (loss.shape.rank() > 0) gradient = append(ops::OpKind::reshape, gradient);
    tape.gradient[at(graph.loss)] = gradient;
    tape.parts[at(graph.loss)] = {gradient};
}

/// A weight's gradient is a value of its own, even where the rule only handed an activation's gradient on.
ValueId own_gradient(Tape &tape, ValueId weight) {
    const ValueId total = tape.gradient[at(weight)];
    Graph &graph = tape.graph;
    if (total == none || graph.value(total).gradient_of == weight) return total;
    const NodeId producer = graph.value(total).producer;
    const std::string name = graph.value(weight).name + ".grad";
    const ValueId copy = graph.add_node({ops::OpKind::reshape, {}, {}}, {total}, name, graph.node(producer).policy, {},
                                        graph.value(weight).shape);
    graph.nodes.back().phase = Phase::backward;
    graph.nodes.back().differentiates = graph.node(producer).differentiates;
    Value &gradient = graph.value(copy);
    gradient.layer = graph.value(weight).layer;
    gradient.role = Role::weight_gradient;
    gradient.gradient_of = weight;
    graph.value(weight).gradient = copy;
    return copy;
}

} // namespace

void differentiate(Graph &graph, std::span<const ValueId> trained) {
    if (graph.loss == none || graph.value(graph.loss).shape.elements() != 1 ||
        !ops::is_floating(graph.value(graph.loss).dtype))
        throw std::invalid_argument("the graph has no scalar floating loss to differentiate; attach a loss first");
    if (graph.loss_scale != none) throw std::invalid_argument("the graph was differentiated before");

    Tape tape(graph);
    tape.needs = reached_from(graph, trained);
    const std::vector<bool> leads = leads_to_loss(graph);
    for (std::size_t i = 0; i < leads.size(); ++i) tape.needs[i] = tape.needs[i] && leads[i];
    if (!tape.needs[at(graph.loss)]) throw std::invalid_argument("the loss does not depend on any trained weight");
    require_derivatives(graph, tape.needs);

    tape.gradient.assign(graph.values.size(), none);
    tape.parts.resize(graph.values.size());
    graph.value(graph.loss).role = Role::loss;
    const auto forward_nodes = static_cast<NodeId>(graph.nodes.size());
    seed(tape);
    for (NodeId id = forward_nodes - 1; id >= 0; --id) {
        const ValueId y = graph.node(id).outputs.front();
        if (!tape.needs[at(y)] || tape.gradient[at(y)] == none) continue;
        settle(tape, y);
        Backward backward(tape, id);
        derivative_of(graph.node(id).operation.kind).rule(backward);
    }
    for (ValueId weight : trained) settle(tape, weight);
    graph.weight_gradients.clear();
    for (ValueId weight : graph.weights) graph.weight_gradients.push_back(own_gradient(tape, weight));
}

void differentiate(Graph &graph) {
    const std::vector<ValueId> trained = graph.weights;
    differentiate(graph, trained);
}

} // namespace halfscope::model
