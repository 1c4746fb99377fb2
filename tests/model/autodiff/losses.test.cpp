#include "tests/model/autodiff/gradient_case.h"

namespace halfscope::tests {
namespace {

Build nll(ops::Loss attributes) {
    return [attributes](Graph &graph, const std::vector<ValueId> &w) {
        const ValueId targets = int64_constant(graph, {4}, {2, 0, -100, 1});
        return add(graph, {OpKind::nll_loss, attributes, {}}, {w[0], targets});
    };
}

/// Over [batch, classes, positions], after log_softmax: the gradients of both compose to softmax - one_hot.
ValueId cross_entropy(Graph &graph, const std::vector<ValueId> &w) {
    const ValueId targets = int64_constant(graph, {2, 3}, {0, 3, 1, 2, 2, 0});
    return add(graph, op(OpKind::nll_loss), {add(graph, along(OpKind::log_softmax, 1), {w[0]}), targets});
}

} // namespace

std::vector<GradientCase> loss_cases() {
    const Trained rows{{4, 3}, -2, 2, {}}, unit{{4, 3}, 0.1, 0.9, {}};
    ops::Loss mean, sum, each;
    mean.ignore_index = sum.ignore_index = each.ignore_index = -100;
    sum.mean = false;
    each.per_element = true;
    return {
        {"softmax", {rows}, apply(along(OpKind::softmax, 1))},
        {"softmax over the first axis", {rows}, apply(along(OpKind::softmax, 0))},
        {"log_softmax", {rows}, apply(along(OpKind::log_softmax, 1))},
        {"log_softmax over the middle axis", {{{2, 5, 3}, -2, 2, {}}}, apply(along(OpKind::log_softmax, 1))},
        {"nll_loss, mean, one target ignored", {rows}, nll(mean)},
        {"nll_loss, sum", {rows}, nll(sum)},
        {"nll_loss, per element", {rows}, nll(each)},
        {"cross entropy over positions", {{{2, 4, 3}, -2, 2, {}}}, cross_entropy},
        {"mse_loss, both sides trained", {rows, unit}, apply(op(OpKind::mse_loss))},
        {"bce_with_logits, both sides trained", {{{4, 3}, -2, 2, {0}}, unit}, apply(op(OpKind::bce_with_logits))},
    };
}

TEST_CASE("gradients of softmax and losses") { check_all(loss_cases()); }

} // namespace halfscope::tests
