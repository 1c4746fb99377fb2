#include "tests/model/autodiff/gradient_case.h"

namespace halfscope::tests {

std::vector<GradientCase> unary_cases() {
    const Trained any{{3, 5}, -2, 2, {}}, positive{{3, 5}, 0.3, 2, {}}, off_zero{{3, 5}, -2, 2, {0}};
    const auto cast = [](Graph &graph, const std::vector<ValueId> &w) {
        return graph.add_node(op(OpKind::cast), {w[0]}, "", "", ops::DType::fp64);
    };
    std::vector<GradientCase> cases{
        {"cast", {any}, cast},
        {"negate", {any}, apply(op(OpKind::negate))},
        {"absolute", {off_zero}, apply(op(OpKind::absolute))},
        {"exponential", {any}, apply(op(OpKind::exponential))},
        {"logarithm", {positive}, apply(op(OpKind::logarithm))},
        {"square_root", {positive}, apply(op(OpKind::square_root))},
        {"reciprocal", {positive}, apply(op(OpKind::reciprocal))},
        {"sine", {any}, apply(op(OpKind::sine))},
        {"cosine", {any}, apply(op(OpKind::cosine))},
        {"tanh", {any}, apply(op(OpKind::tanh))},
        {"erf", {any}, apply(op(OpKind::erf))},
        {"sigmoid", {any}, apply(op(OpKind::sigmoid))},
        {"relu", {off_zero}, apply(op(OpKind::relu))},
        {"leaky_relu", {off_zero}, apply(op(OpKind::leaky_relu, 0.2))},
        {"elu", {off_zero}, apply(op(OpKind::elu, 1.5))},
        {"gelu", {any}, apply(op(OpKind::gelu))},
        {"gelu_tanh", {any}, apply(op(OpKind::gelu_tanh))},
        {"silu", {any}, apply(op(OpKind::silu))},
        {"softplus", {{{3, 5}, -3, 25, {20}}}, apply(op(OpKind::softplus))},
        {"hard_sigmoid", {{{3, 5}, -5, 5, {-2.5, 2.5}}}, apply(op(OpKind::hard_sigmoid, 0.2, 0.5))},
        {"hard_swish", {{{3, 5}, -5, 5, {-3, 3}}}, apply(op(OpKind::hard_swish))},
        {"clip", {{{3, 5}, -2, 2, {-0.5, 1}}}, apply(op(OpKind::clip, -0.5, 1))},
        {"scale", {any}, apply(op(OpKind::scale, -1.7))},
        {"shift", {any}, apply(op(OpKind::shift, 3.1))},
        {"cube of either sign", {off_zero}, apply(op(OpKind::power_scalar, 3))},
        {"inverse square of either sign", {{{3, 5}, -2, -0.5, {}}}, apply(op(OpKind::power_scalar, -2))},
        {"power 0", {any}, apply(op(OpKind::power_scalar, 0)), true},
    };
    for (double alpha : {1.0, 2.0, 0.5, -0.5, -1.0, 2.5})
        cases.push_back({"power " + std::to_string(alpha), {positive}, apply(op(OpKind::power_scalar, alpha))});
    return cases;
}

TEST_CASE("gradients of operations with one operand") { check_all(unary_cases()); }

} // namespace halfscope::tests
