// Norms: one fused gradient operation each, from the statistics the forward pass saved.
#include "emulation/model/autodiff/rules.h"

namespace halfscope::model::autodiff {
namespace {

using ops::OpKind;

/// Emits the gradient operation and hands its results to operands 0, 1, 2 (x, gamma, beta) in order. A result nobody
/// wants is computed all the same, as the fused kernels do, and kept out of the trace.
void give_all(Backward &b, OpKind kind, std::vector<ValueId> inputs) {
    bool wanted = false;
    for (std::size_t i = 0; i < b.operands(); ++i) wanted = wanted || b.wants(i);
    if (!wanted) return;
    b.emit({kind, b.operation().attributes, {}}, std::move(inputs));
    const std::vector<ValueId> results = b.results();
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (i < b.operands() && b.wants(i))
            b.give(i, results[i]);
        else
            b.hide(results[i]);
    }
}

void batch_norm_training(Backward &b) {
    give_all(b, OpKind::batch_norm_gradient, {b.dy(), b.operand(0), b.operand(1), b.output(1), b.output(2)});
}
void batch_norm_inference(Backward &b) {
    give_all(b, OpKind::batch_norm_inference_gradient,
             {b.dy(), b.operand(0), b.operand(1), b.operand(3), b.operand(4)});
}
void layer_norm(Backward &b) {
    std::vector<ValueId> inputs{b.dy(), b.operand(0), b.output(1), b.output(2)};
    if (b.operands() > 1) inputs.push_back(b.operand(1));
    give_all(b, OpKind::layer_norm_gradient, std::move(inputs));
}
void rms_norm(Backward &b) {
    std::vector<ValueId> inputs{b.dy(), b.operand(0), b.output(1)};
    if (b.operands() > 1) inputs.push_back(b.operand(1));
    give_all(b, OpKind::rms_norm_gradient, std::move(inputs));
}
void group_norm(Backward &b) {
    give_all(b, OpKind::group_norm_gradient, {b.dy(), b.operand(0), b.output(1), b.output(2), b.operand(1)});
}

} // namespace

Rule normalization_rule(OpKind kind) {
    switch (kind) {
    case OpKind::batch_norm_training: return batch_norm_training;
    case OpKind::batch_norm_inference: return batch_norm_inference;
    case OpKind::layer_norm: return layer_norm;
    case OpKind::rms_norm: return rms_norm;
    case OpKind::group_norm: return group_norm;
    default: return nullptr;
    }
}

} // namespace halfscope::model::autodiff
