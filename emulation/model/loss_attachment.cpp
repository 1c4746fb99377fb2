#include "emulation/model/loss_attachment.h"

#include <fmt/format.h>

#include <stdexcept>

namespace halfscope::model {
namespace {

using ops::DType;
using ops::OpKind;
using ops::Shape;

ValueId first_floating_output(const Graph &graph) {
    for (ValueId id : graph.outputs)
        if (ops::is_floating(graph.value(id).dtype)) return id;
    throw std::invalid_argument("the model has no floating output to put a loss on");
}

std::string described(const Graph &graph, ValueId id) {
    return fmt::format("output '{}' of shape {}", graph.value(id).name, graph.value(id).shape.text());
}

int class_axis(const Shape &logits) { return logits.rank() == 3 ? 2 : 1; }

ValueId finish(Graph &graph, ValueId loss) {
    graph.value(loss).role = Role::loss;
    return graph.loss = loss;
}

/// log_softmax, then nll_loss, which wants its classes on axis 1: language-model logits are seen as rows.
void attach_cross_entropy(Graph &graph, ValueId logits) {
    const Shape shape = graph.value(logits).shape;
    if (shape.rank() < 2)
        throw std::invalid_argument("cross-entropy needs logits [batch, classes, ...]; " + described(graph, logits) +
                                    " has no class axis");
    const int axis = class_axis(shape);
    Shape targets;
    for (int i = 0; i < shape.rank(); ++i)
        if (i != axis) targets.append(shape[i]);
    ValueId target = graph.add_input("target", DType::int64, targets, Role::target);
    ValueId scores =
        graph.add_node({OpKind::log_softmax, ops::Axis{axis}, {}}, {logits}, "loss.log_softmax", "log_softmax");
    if (axis != 1) {
        const Shape rows{targets.elements(), shape[axis]};
        scores = graph.add_node({OpKind::reshape, {}, {}}, {scores}, "loss.rows", "reshape", {}, rows);
        target = graph.add_node({OpKind::reshape, {}, {}}, {target}, "loss.target_rows", "reshape", {},
                                Shape{targets.elements()});
    }
    ops::Loss attributes;
    attributes.ignore_index = -100;
    finish(graph, graph.add_node({OpKind::nll_loss, attributes, {}}, {scores, target}, "loss", "nll_loss"));
}

void attach_elementwise(Graph &graph, ValueId output, OpKind kind, std::string policy) {
    const DType type = graph.value(output).dtype == DType::fp64 ? DType::fp64 : DType::fp32;
    const ValueId target = graph.add_input("target", type, graph.value(output).shape, Role::target);
    finish(graph, graph.add_node({kind, {}, {}}, {output, target}, "loss", std::move(policy)));
}

void use_output(Graph &graph, std::string_view wanted) {
    std::string available;
    for (ValueId id : graph.outputs) {
        const Value &output = graph.value(id);
        if (output.name != wanted) {
            available += fmt::format("{}'{}'", available.empty() ? "" : ", ", output.name);
            continue;
        }
        if (output.shape.elements() != 1 || !ops::is_floating(output.dtype))
            throw std::invalid_argument(described(graph, id) + " is not a floating scalar, so it cannot be the loss");
        finish(graph, id);
        return;
    }
    throw std::invalid_argument(
        fmt::format("the model has no output '{}'; it has {}", wanted, available.empty() ? "none" : available));
}

bool has_target(const Graph &graph) {
    for (ValueId id : graph.inputs)
        if (graph.value(id).role == Role::target) return true;
    return false;
}

} // namespace

void attach_loss(Graph &graph, std::string_view loss) {
    constexpr std::string_view output_prefix = "output:";
    if (loss.starts_with(output_prefix)) return use_output(graph, loss.substr(output_prefix.size()));
    if (loss == "cross-entropy") return attach_cross_entropy(graph, first_floating_output(graph));
    if (loss == "mse") return attach_elementwise(graph, first_floating_output(graph), OpKind::mse_loss, "mse_loss");
    if (loss == "bce-with-logits")
        return attach_elementwise(graph, first_floating_output(graph), OpKind::bce_with_logits,
                                  "binary_cross_entropy_with_logits");
    throw std::invalid_argument(
        fmt::format("unknown loss '{}'; use cross-entropy, mse, bce-with-logits or output:NAME", loss));
}

LossChoice default_loss(const Graph &graph, const std::optional<TargetFacts> &targets) {
    for (ValueId id : graph.outputs)
        if (ops::is_floating(graph.value(id).dtype) && graph.value(id).shape.elements() == 1 &&
            (graph.value(id).shape.rank() == 0 || has_target(graph)))
            return {"output:" + graph.value(id).name, "the model computes a scalar itself: " + described(graph, id)};
    const ValueId id = first_floating_output(graph);
    const Shape &shape = graph.value(id).shape;
    const bool classes = shape.rank() >= 2 && shape[class_axis(shape)] > 1;
    const bool one_each = targets && targets->floating && targets->elements_a_sample * shape[0] == shape.elements();
    if (classes && one_each && targets->zeros_and_ones)
        return {"bce-with-logits", described(graph, id) + " is read as logits of yes or no, since the data hold 0 or 1 "
                                                          "for each of its elements"};
    if (classes && one_each)
        return {"mse", described(graph, id) + " is read as a regression, since the data hold a floating value for each "
                                              "of its elements"};
    if (classes)
        return {"cross-entropy",
                fmt::format("{} is read as scores of {} classes", described(graph, id), shape[class_axis(shape)])};
    return {"mse", described(graph, id) + " is read as a regression"};
}

} // namespace halfscope::model
