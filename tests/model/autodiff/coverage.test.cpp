// Every operation is either checked against central differences, or said not to have a gradient, and why.
#include "emulation/model/autodiff/rules.h"
#include "tests/model/autodiff/gradient_case.h"

#include <set>

namespace halfscope::tests {
namespace {

std::set<OpKind> checked_kinds() {
    std::set<OpKind> kinds;
    for (const auto &cases : {unary_cases(), binary_cases(), reduction_cases(), product_cases(), normalization_cases(),
                              loss_cases(), movement_cases()})
        for (const GradientCase &gradient_case : cases)
            for (const model::Node &node : build(gradient_case).graph.nodes) kinds.insert(node.operation.kind);
    return kinds;
}

/// Gradient operations appear in backward passes only; their own derivatives (second derivatives) are not provided. But
/// for those that a forward pass uses too: transposed convolutions, and scatters.
bool is_second_derivative(OpKind kind) {
    return name_of(kind).ends_with("_gradient") && kind != OpKind::convolution_input_gradient &&
           kind != OpKind::gather_gradient && kind != OpKind::gather_elements_gradient;
}

} // namespace

TEST_CASE("no operation escapes the gradient check") {
    const std::set<OpKind> checked = checked_kinds();
    for (int i = 0; i <= static_cast<int>(OpKind::adam_step); ++i) {
        const auto kind = static_cast<OpKind>(i);
        const model::autodiff::Derivative derivative = model::autodiff::derivative_of(kind);
        INFO(name_of(kind));
        CHECK(checked.contains(kind) == (derivative.rule != nullptr));
        CHECK(is_second_derivative(kind) == (!derivative.rule && derivative.stops.empty()));
    }
}

TEST_CASE("gradient operations all run in some backward pass that was checked") {
    std::set<OpKind> seen;
    for (const auto &cases : {unary_cases(), binary_cases(), reduction_cases(), product_cases(), normalization_cases(),
                              loss_cases(), movement_cases()})
        for (const GradientCase &gradient_case : cases) {
            CheckedGraph checked = build(gradient_case);
            model::differentiate(checked.graph);
            for (const model::Node &node : checked.graph.nodes) seen.insert(node.operation.kind);
        }
    for (int i = 0; i <= static_cast<int>(OpKind::adam_step); ++i) {
        const auto kind = static_cast<OpKind>(i);
        INFO(name_of(kind));
        if (is_second_derivative(kind)) CHECK(seen.contains(kind));
    }
}

} // namespace halfscope::tests
