// Elementwise operations with one operand. x is the operand, y the result, dy the gradient of y.
#include "emulation/model/autodiff/rules.h"

#include <numbers>

namespace halfscope::model::autodiff {
namespace {

using ops::Operation;
using ops::OpKind;

Operation plain(OpKind kind) { return {kind, {}, {}}; }
Operation with(OpKind kind, double alpha, double beta = 0) { return {kind, ops::Scalars{alpha, beta}, {}}; }

/// dx = kind(dy, x), with the forward node's attributes.
template <OpKind kind> void from_operand(Backward &b) {
    b.give_node(0, {kind, b.operation().attributes, {}}, {b.dy(), b.operand(0)});
}
/// dx = kind(dy, y).
template <OpKind kind> void from_result(Backward &b) {
    b.give_node(0, {kind, b.operation().attributes, {}}, {b.dy(), b.output()});
}

/// Rounding back: the gradient of a cast is a cast. give() does it.
void cast(Backward &b) { b.give(0, b.dy()); }
void shift(Backward &b) { b.give(0, b.dy()); }
void negate(Backward &b) { b.give_node(0, plain(OpKind::negate), {b.dy()}); }
void scale(Backward &b) { b.give_node(0, b.operation(), {b.dy()}); }

/// (-dy) * (y * y), three nodes.
void reciprocal(Backward &b) {
    const ValueId minus_dy = b.emit(plain(OpKind::negate), {b.dy()});
    b.give_node(0, plain(OpKind::multiply), {minus_dy, b.emit(plain(OpKind::multiply), {b.output(), b.output()})});
}

void sine(Backward &b) {
    b.give_node(0, plain(OpKind::multiply), {b.dy(), b.emit(plain(OpKind::cosine), {b.operand(0)})});
}

/// dy * (-sin(x)).
void cosine(Backward &b) {
    const ValueId minus_sine = b.emit(plain(OpKind::negate), {b.emit(plain(OpKind::sine), {b.operand(0)})});
    b.give_node(0, plain(OpKind::multiply), {b.dy(), minus_sine});
}

/// (2 / sqrt(pi) * exp(-(x^2))) * dy, a node for each step.
void erf(Backward &b) {
    const ValueId square = b.emit(with(OpKind::power_scalar, 2), {b.operand(0)});
    const ValueId bell = b.emit(plain(OpKind::exponential), {b.emit(plain(OpKind::negate), {square})});
    const ValueId slope = b.emit(with(OpKind::scale, 2 * std::numbers::inv_sqrtpi), {bell});
    b.give_node(0, plain(OpKind::multiply), {slope, b.dy()});
}

/// dy * (alpha * x^(alpha - 1)): the power, the scaling and the product are each rounded, as three eager kernels do;
/// in 16 bits 3x^2 overflows on its own. alpha = 0 gives zeros.
void power_scalar(Backward &b) {
    const double alpha = b.operation().get<ops::Scalars>().alpha;
    if (alpha == 0) return b.give(0, b.emit(with(OpKind::fill, 0), {}, b.dtype(b.operand(0)), b.shape(b.operand(0))));
    const ValueId power = b.emit(with(OpKind::power_scalar, alpha - 1), {b.operand(0)});
    b.give_node(0, plain(OpKind::multiply), {b.dy(), b.emit(with(OpKind::scale, alpha), {power})});
}

/// dy * y.
void exponential(Backward &b) { b.give_node(0, plain(OpKind::multiply), {b.dy(), b.output()}); }
/// dy / x.
void logarithm(Backward &b) { b.give_node(0, plain(OpKind::divide), {b.dy(), b.operand(0)}); }

} // namespace

Rule unary_rule(OpKind kind) {
    switch (kind) {
    case OpKind::cast: return cast;
    case OpKind::negate: return negate;
    case OpKind::absolute: return from_operand<OpKind::absolute_gradient>;
    case OpKind::exponential: return exponential;
    case OpKind::logarithm: return logarithm;
    case OpKind::square_root: return from_result<OpKind::square_root_gradient>;
    case OpKind::reciprocal: return reciprocal;
    case OpKind::sine: return sine;
    case OpKind::cosine: return cosine;
    case OpKind::tanh: return from_result<OpKind::tanh_gradient>;
    case OpKind::erf: return erf;
    case OpKind::sigmoid: return from_result<OpKind::sigmoid_gradient>;
    case OpKind::relu: return from_result<OpKind::relu_gradient>;
    case OpKind::leaky_relu: return from_operand<OpKind::leaky_relu_gradient>;
    case OpKind::elu: return from_operand<OpKind::elu_gradient>;
    case OpKind::gelu: return from_operand<OpKind::gelu_gradient>;
    case OpKind::gelu_tanh: return from_operand<OpKind::gelu_tanh_gradient>;
    case OpKind::silu: return from_operand<OpKind::silu_gradient>;
    case OpKind::softplus: return from_operand<OpKind::softplus_gradient>;
    case OpKind::hard_sigmoid: return from_operand<OpKind::hard_sigmoid_gradient>;
    case OpKind::hard_swish: return from_operand<OpKind::hard_swish_gradient>;
    case OpKind::clip: return from_operand<OpKind::clip_gradient>;
    case OpKind::power_scalar: return power_scalar;
    case OpKind::scale: return scale;
    case OpKind::shift: return shift;
    default: return nullptr;
    }
}

} // namespace halfscope::model::autodiff
