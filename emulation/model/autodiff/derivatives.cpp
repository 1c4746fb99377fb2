// The table: which operations have a rule, which let nothing through, and why.
#include "emulation/model/autodiff/rules.h"

namespace halfscope::model::autodiff {

Derivative derivative_of(ops::OpKind kind) {
    using ops::OpKind;
    switch (kind) {
    case OpKind::floor:
    case OpKind::ceil:
    case OpKind::round:
    case OpKind::sign: return {nullptr, "it is constant between jumps, so its gradient is zero"};
    case OpKind::logical_not:
    case OpKind::is_nan:
    case OpKind::equal:
    case OpKind::less:
    case OpKind::less_equal:
    case OpKind::greater:
    case OpKind::greater_equal:
    case OpKind::logical_and:
    case OpKind::logical_or: return {nullptr, "its result is boolean"};
    case OpKind::argmax:
    case OpKind::top_k: return {nullptr, "its result is an index"};
    case OpKind::one_hot: return {nullptr, "its operand is an index"};
    case OpKind::fill: return {nullptr, "it has no operand"};
    case OpKind::random_uniform:
    case OpKind::random_normal: return {nullptr, "it takes its operand's shape, not its values"};
    case OpKind::unscale_check:
    case OpKind::sgd_step:
    case OpKind::adam_step: return {nullptr, "it belongs to the optimizer step, after the backward pass"};
    default: break;
    }
    for (auto family :
         {unary_rule, binary_rule, reduction_rule, product_rule, normalization_rule, loss_rule, movement_rule})
        if (const Rule rule = family(kind)) return {rule, {}};
    return {}; // gradient operations: second derivatives are not provided
}

} // namespace halfscope::model::autodiff
