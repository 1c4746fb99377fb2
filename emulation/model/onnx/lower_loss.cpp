// Losses computed in the graph.
#include "emulation/model/onnx/lowering.h"

#include <limits>

namespace halfscope::model::importing {
namespace {

using ops::DType;
using ops::OpKind;

ops::Operation plain(OpKind kind) { return {kind, {}, {}}; }

struct Choices {
    std::int64_t ignored = std::numeric_limits<std::int64_t>::min(); ///< no class
    std::string reduction;
};

Choices choices_of(const NodeContext &node) {
    Choices choices;
    choices.ignored = node.node.integer("ignore_index", choices.ignored);
    choices.reduction = node.node.text("reduction", "mean");
    if (choices.reduction != "mean" && choices.reduction != "sum" && choices.reduction != "none")
        throw Unsupported("attribute reduction = " + choices.reduction);
    return choices;
}

/// With class weights: per element -w[t] * logp[t], and the mean is over the weights of the targets that count.
ValueId weighted_nll(NodeContext &node, ValueId log_probabilities, ValueId targets, ValueId weights,
                     const Choices &choices) {
    const std::string policy = "nll_loss";
    const ValueId ignored = node.emit(plain(OpKind::equal), {targets, node.integers_constant({choices.ignored})});
    ValueId safe = node.emit(plain(OpKind::where), {ignored, node.integers_constant({0}), targets});
    safe = node.reshape(safe, node.shape(targets));
    const ValueId chosen = node.emit({OpKind::gather, ops::Axis{0}, {}}, {weights, safe});
    const ValueId counted =
        node.emit(plain(OpKind::cast), {node.emit(plain(OpKind::logical_not), {ignored})}, {"", {}, DType::fp32});
    const ValueId weight = node.emit(plain(OpKind::multiply), {chosen, counted}, {policy});
    const ValueId each = node.emit({OpKind::nll_loss, ops::Loss{.mean = false, .per_element = true}, {}},
                                   {log_probabilities, safe}, {policy});
    const ValueId loss = node.emit(plain(OpKind::multiply), {each, weight}, {policy});
    if (choices.reduction == "none") return loss;
    const ops::Operation sum = plain(OpKind::reduce_sum); // over all axes
    const ValueId total = node.emit(sum, {loss}, {policy});
    if (choices.reduction == "sum") return total;
    const ValueId mass = node.emit(sum, {weight}, {policy});
    return node.emit(plain(OpKind::divide), {total, mass}, {policy});
}

ValueId nll(NodeContext &node, ValueId log_probabilities, ValueId targets) {
    const Choices choices = choices_of(node);
    if (node.has(2)) return weighted_nll(node, log_probabilities, targets, node.in(2), choices);
    ops::Loss loss;
    loss.ignore_index = choices.ignored;
    loss.mean = choices.reduction == "mean";
    loss.per_element = choices.reduction == "none";
    return node.emit({OpKind::nll_loss, loss, {}}, {log_probabilities, targets});
}

void negative_log_likelihood(NodeContext &node) { node.bind(0, nll(node, node.in(0), node.in(1))); }

void softmax_cross_entropy(NodeContext &node) {
    const ValueId scores = node.in(0);
    if (node.rank(scores) < 2) throw std::runtime_error("its scores have no class axis");
    const ValueId log_probabilities = node.emit({OpKind::log_softmax, ops::Axis{1}, {}}, {scores});
    node.bind(0, nll(node, log_probabilities, node.in(1)));
    node.bind(1, log_probabilities);
}

} // namespace

void add_loss_rules(RuleTable &table) {
    table["NegativeLogLikelihoodLoss"] = negative_log_likelihood;
    table["SoftmaxCrossEntropyLoss"] = softmax_cross_entropy;
}

} // namespace halfscope::model::importing
