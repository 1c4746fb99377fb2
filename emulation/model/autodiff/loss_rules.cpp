// Softmax and losses: fused gradient operations.
#include "emulation/model/autodiff/rules.h"

namespace halfscope::model::autodiff {
namespace {

using ops::OpKind;

template <OpKind kind> void from_result(Backward &b) {
    b.give_node(0, {kind, b.operation().attributes, {}}, {b.dy(), b.output()});
}

void nll_loss(Backward &b) {
    const ValueId scores = b.operand(0);
    b.give(0, b.emit({OpKind::nll_loss_gradient, b.operation().attributes, {}}, {b.dy(), b.operand(1)}, b.dtype(scores),
                     b.shape(scores)));
}

/// dp as one kernel; a target that is itself computed takes the negative.
void mse_loss(Backward &b) {
    if (!b.wants(0) && !b.wants(1)) return;
    const ValueId dp = b.emit({OpKind::mse_loss_gradient, b.operation().attributes, {}},
                              {b.dy(), b.operand(0), b.operand(1)}, b.dtype(b.operand(0)));
    b.give(0, dp);
    if (b.wants(1)) b.give(1, b.emit({OpKind::negate, {}, {}}, {dp}));
}

/// dz as one kernel; dt = ((-z) * dy) / n.
void bce_with_logits(Backward &b) {
    const ValueId z = b.operand(0);
    if (b.wants(0))
        b.give(0, b.emit({OpKind::bce_with_logits_gradient, b.operation().attributes, {}}, {b.dy(), z, b.operand(1)},
                         b.dtype(z)));
    if (!b.wants(1)) return;
    const auto n = static_cast<double>(b.shape(z).elements());
    const ValueId minus_z = b.emit({OpKind::negate, {}, {}}, {z});
    const ValueId product = b.emit({OpKind::multiply, {}, {}}, {minus_z, b.dy()});
    b.give(1, b.emit({OpKind::divide, {}, {}}, {product, b.scalar(n, product)}));
}

} // namespace

Rule loss_rule(OpKind kind) {
    switch (kind) {
    case OpKind::softmax: return from_result<OpKind::softmax_gradient>;
    case OpKind::log_softmax: return from_result<OpKind::log_softmax_gradient>;
    case OpKind::nll_loss: return nll_loss;
    case OpKind::mse_loss: return mse_loss;
    case OpKind::bce_with_logits: return bce_with_logits;
    default: return nullptr;
    }
}

} // namespace halfscope::model::autodiff
