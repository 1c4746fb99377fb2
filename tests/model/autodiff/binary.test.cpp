#include "tests/model/autodiff/gradient_case.h"

namespace halfscope::tests {

std::vector<GradientCase> binary_cases() {
    const Trained a{{2, 3, 1}, -2, 2, {}}, b{{3, 4}, -2, 2, {}}, positive{{2, 3, 1}, 0.4, 2, {}},
        away{{3, 4}, 0.6, 2, {}};
    const auto where = [](Graph &graph, const std::vector<ValueId> &w) {
        ops::HostTensor mask(ops::DType::boolean, {4});
        mask.as<std::uint8_t>()[1] = mask.as<std::uint8_t>()[2] = 1;
        return add(graph, op(OpKind::where), {graph.add_constant(std::move(mask)), w[0], w[1]});
    };
    // Equal operands share the gradient: moving both together is smooth.
    const auto equal_maximum = [](Graph &graph, const std::vector<ValueId> &w) {
        return add(graph, op(OpKind::maximum), {w[0], w[0]});
    };
    // (x + x * x) * x: contributions from three uses are summed.
    const auto fan_out = [](Graph &graph, const std::vector<ValueId> &w) {
        const ValueId square = add(graph, op(OpKind::multiply), {w[0], w[0]});
        const ValueId sum = add(graph, op(OpKind::add), {w[0], square});
        return add(graph, op(OpKind::multiply), {sum, w[0]});
    };
    return {
        {"add", {a, b}, apply(op(OpKind::add))},
        {"subtract", {a, b}, apply(op(OpKind::subtract))},
        {"multiply", {a, b}, apply(op(OpKind::multiply))},
        {"divide", {a, away}, apply(op(OpKind::divide))},
        {"divide by a scalar", {b, {{1}, 1, 2, {}}}, apply(op(OpKind::divide))},
        {"power", {positive, b}, apply(op(OpKind::power))},
        {"minimum", {a, b}, apply(op(OpKind::minimum))},
        {"maximum", {a, b}, apply(op(OpKind::maximum))},
        {"maximum of equals", {b}, equal_maximum},
        {"fmod", {{{3, 4}, -3.8, -3.5, {}}, {{4}, 1.05, 1.1, {}}}, apply(op(OpKind::modulo, 1))},
        {"floored modulo", {{{3, 4}, -3.8, -3.5, {}}, {{4}, 1.05, 1.1, {}}}, apply(op(OpKind::modulo, 0))},
        {"where", {a, b}, where},
        {"several uses", {b}, fan_out},
    };
}

TEST_CASE("gradients of operations with two operands") { check_all(binary_cases()); }

} // namespace halfscope::tests
