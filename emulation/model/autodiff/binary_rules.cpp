// Elementwise operations with two operands a and b (and where). Gradients of broadcast operands are summed by give().
#include "emulation/model/autodiff/rules.h"

namespace halfscope::model::autodiff {
namespace {

using ops::OpKind;

ops::Operation plain(OpKind kind) { return {kind, {}, {}}; }
ops::Operation scaled(double alpha) { return {OpKind::scale, ops::Scalars{alpha, 0}, {}}; }

void add(Backward &b) {
    b.give(0, b.dy());
    b.give(1, b.dy());
}

void subtract(Backward &b) {
    b.give(0, b.dy());
    b.give_node(1, plain(OpKind::negate), {b.dy()});
}

void multiply(Backward &b) {
    b.give_node(0, plain(OpKind::multiply), {b.dy(), b.operand(1)});
    b.give_node(1, plain(OpKind::multiply), {b.dy(), b.operand(0)});
}

/// da = dy / b; db = (-dy) * ((a / b) / b), each step a node.
void divide(Backward &b) {
    b.give_node(0, plain(OpKind::divide), {b.dy(), b.operand(1)});
    if (!b.wants(1)) return;
    const ValueId minus_dy = b.emit(plain(OpKind::negate), {b.dy()});
    const ValueId quotient = b.emit(plain(OpKind::divide), {b.operand(0), b.operand(1)}, b.dtype(b.output()));
    const ValueId slope = b.emit(plain(OpKind::divide), {quotient, b.operand(1)});
    b.give_node(1, plain(OpKind::multiply), {minus_dy, slope});
}

/// da = dy * (b * a^(b - 1)), 0 where b = 0; db = dy * (y * log(a)), 0 where a = 0 and b >= 0.
void power(Backward &b) {
    const ValueId base = b.operand(0), exponent = b.operand(1);
    if (b.wants(0)) {
        const ValueId less_one = b.emit({OpKind::shift, ops::Scalars{-1, 0}, {}}, {exponent}, b.dtype(exponent));
        const ValueId lower = b.emit(plain(OpKind::power), {base, less_one}, b.dtype(b.output()));
        const ValueId slope = b.emit(plain(OpKind::multiply), {exponent, lower}, b.dtype(b.output()));
        const ValueId product = b.emit(plain(OpKind::multiply), {b.dy(), slope}, b.dtype(b.dy()));
        const ValueId is_zero = b.emit(plain(OpKind::equal), {exponent, b.scalar(0, exponent)});
        b.give_node(0, plain(OpKind::where), {is_zero, b.scalar(0, product), product});
    }
    if (!b.wants(1)) return;
    const ValueId zero_base = b.emit(plain(OpKind::equal), {base, b.scalar(0, base)});
    const ValueId no_pole = b.emit(plain(OpKind::greater_equal), {exponent, b.scalar(0, exponent)});
    const ValueId flat = b.emit(plain(OpKind::logical_and), {zero_base, no_pole});
    const ValueId log_base = b.emit(plain(OpKind::logarithm), {base}, b.dtype(b.output()));
    const ValueId slope = b.emit(plain(OpKind::multiply), {b.output(), log_base});
    const ValueId chosen = b.emit(plain(OpKind::where), {flat, b.scalar(0, slope), slope});
    b.give_node(1, plain(OpKind::multiply), {b.dy(), chosen});
}

/// The chosen operand takes dy; equal operands take half each.
template <OpKind loses_to_b, OpKind loses_to_a> void choose(Backward &b) {
    const ValueId equal = b.emit(plain(OpKind::equal), {b.operand(0), b.operand(1)});
    const ValueId shared = b.emit(plain(OpKind::where), {equal, b.emit(scaled(0.5), {b.dy()}), b.dy()});
    const ValueId zero = b.scalar(0, b.dy());
    for (std::size_t i : {std::size_t{0}, std::size_t{1}}) {
        if (!b.wants(i)) continue;
        const ValueId loses = b.emit(plain(i == 0 ? loses_to_b : loses_to_a), {b.operand(0), b.operand(1)});
        b.give_node(i, plain(OpKind::where), {loses, zero, shared});
    }
}

/// a - n * b with n the truncated (fmod) or floored quotient: da = dy, db = (-dy) * n.
void modulo(Backward &b) {
    b.give(0, b.dy());
    if (!b.wants(1)) return;
    const ValueId quotient = b.emit(plain(OpKind::divide), {b.operand(0), b.operand(1)});
    ValueId whole;
    if (b.operation().get<ops::Scalars>().alpha != 0) {
        const ValueId size = b.emit(plain(OpKind::floor), {b.emit(plain(OpKind::absolute), {quotient})});
        whole = b.emit(plain(OpKind::multiply), {b.emit(plain(OpKind::sign), {quotient}), size});
    } else {
        whole = b.emit(plain(OpKind::floor), {quotient});
    }
    b.give_node(1, plain(OpKind::multiply), {b.emit(plain(OpKind::negate), {b.dy()}), whole});
}

void where(Backward &b) {
    const ValueId zero = b.scalar(0, b.dy());
    b.give_node(1, plain(OpKind::where), {b.operand(0), b.dy(), zero});
    b.give_node(2, plain(OpKind::where), {b.operand(0), zero, b.dy()});
}

} // namespace

Rule binary_rule(OpKind kind) {
    switch (kind) {
    case OpKind::add: return add;
    case OpKind::subtract: return subtract;
    case OpKind::multiply: return multiply;
    case OpKind::divide: return divide;
    case OpKind::power: return power;
    case OpKind::minimum: return choose<OpKind::greater, OpKind::less>;
    case OpKind::maximum: return choose<OpKind::less, OpKind::greater>;
    case OpKind::modulo: return modulo;
    case OpKind::where: return where;
    default: return nullptr;
    }
}

} // namespace halfscope::model::autodiff
