// Matrix products, convolutions, pooling.
#include "emulation/model/autodiff/rules.h"

#include <algorithm>

namespace halfscope::model::autodiff {
namespace {

using ops::OpKind;

ops::Operation plain(OpKind kind) { return {kind, {}, {}}; }

ops::Operation product(const ops::Matmul &forward, bool transpose_a, bool transpose_b) {
    ops::Matmul attributes;
    attributes.transpose_a = transpose_a;
    attributes.transpose_b = transpose_b;
    attributes.accumulation = forward.accumulation;
    return {OpKind::matmul, attributes, {}};
}

/// alpha and beta are multiplied in a node of their own, as addmm's derivative does.
ValueId times(Backward &b, double factor, ValueId value) {
    return factor == 1 ? value : b.emit({OpKind::scale, ops::Scalars{factor, 0}, {}}, {value});
}

ops::DType type_for(Backward &b, ValueId operand, bool summed) { return b.dtype(summed ? b.dy() : operand); }

/// All leading axes as rows: [batch, t, k] becomes [batch * t, k].
ValueId flattened(Backward &b, ValueId value) {
    const ops::Shape shape = b.shape(value);
    const std::int64_t columns = shape[shape.rank() - 1];
    if (shape.rank() == 2) return value;
    return b.emit(plain(OpKind::reshape), {value}, {},
                  ops::Shape{shape.elements() / std::max<std::int64_t>(columns, 1), columns});
}

bool same_leading_axes(const ops::Shape &operand, const ops::Shape &result) {
    if (operand.rank() != result.rank()) return false;
    for (int axis = 0; axis < operand.rank() - 2; ++axis)
        if (operand[axis] != result[axis]) return false;
    return true;
}

/// dA = dC op(B)^T and dB = op(A)^T dC, transposed where A and B were; db = sum of beta * dC.
/// A matrix B shared by a batch of A (a linear layer on [batch, t, k]) takes its gradient from ONE product over all
/// rows, as PyTorch flattens it: one chain over batch * t, one rounding. Other broadcast batches are multiplied batch
/// by batch in dC's type and then summed.
void matmul(Backward &b) {
    const auto forward = b.operation().get<ops::Matmul>();
    const ValueId a = b.operand(0), w = b.operand(1);
    const ops::Shape result = b.shape(b.output());
    if (b.wants(0)) {
        const ops::DType type = type_for(b, a, !same_leading_axes(b.shape(a), result));
        const ValueId da = forward.transpose_a
                               ? b.emit(product(forward, forward.transpose_b, true), {w, b.dy()}, type)
                               : b.emit(product(forward, false, !forward.transpose_b), {b.dy(), w}, type);
        b.give(0, times(b, forward.alpha, da));
    }
    if (b.wants(1)) {
        const bool flatten = b.shape(w).rank() == 2 && b.shape(a).rank() > 2 && !forward.transpose_a;
        const ValueId rows = flatten ? flattened(b, a) : a, dy = flatten ? flattened(b, b.dy()) : b.dy();
        const ops::DType type = type_for(b, w, !flatten && !same_leading_axes(b.shape(w), result));
        const ValueId dw = forward.transpose_b
                               ? b.emit(product(forward, true, forward.transpose_a), {dy, rows}, type)
                               : b.emit(product(forward, !forward.transpose_a, false), {rows, dy}, type);
        b.give(1, times(b, forward.alpha, dw));
    }
    if (b.operands() > 2 && b.wants(2)) b.give(2, times(b, forward.beta, b.dy()));
}

void convolution(Backward &b) {
    const ValueId x = b.operand(0), w = b.operand(1);
    const auto &window = b.operation().attributes;
    if (b.wants(0))
        b.give(0, b.emit({OpKind::convolution_input_gradient, window, {}}, {b.dy(), w}, b.dtype(x), b.shape(x)));
    if (b.wants(1))
        b.give(1, b.emit({OpKind::convolution_weight_gradient, window, {}}, {b.dy(), x}, b.dtype(w), b.shape(w)));
    if (b.operands() < 3 || !b.wants(2)) return;
    ops::Reduction all_but_channels{{0}, false};
    for (int axis = 2; axis < b.shape(b.dy()).rank(); ++axis) all_but_channels.axes.push_back(axis);
    b.give(2, b.emit({OpKind::reduce_sum, all_but_channels, {}}, {b.dy()}, b.dtype(b.operand(2))));
}

/// ConvTranspose y = input_gradient(x, w): x plays the output gradient, so dx is a convolution of dy, and dw is the
/// weight gradient of that convolution, with the roles of x and dy exchanged.
void transposed_convolution(Backward &b) {
    const ValueId x = b.operand(0), w = b.operand(1);
    const auto &window = b.operation().attributes;
    if (b.wants(0)) b.give(0, b.emit({OpKind::convolution, window, {}}, {b.dy(), w}, b.dtype(x)));
    if (b.wants(1))
        b.give(1, b.emit({OpKind::convolution_weight_gradient, window, {}}, {x, b.dy()}, b.dtype(w), b.shape(w)));
}

void give_like_operand(Backward &b, OpKind kind, std::vector<ValueId> operands) {
    const ValueId x = b.operand(0);
    b.give(0, b.emit({kind, b.operation().attributes, {}}, std::move(operands), b.dtype(x), b.shape(x)));
}

void max_pool(Backward &b) { give_like_operand(b, OpKind::max_pool_gradient, {b.dy(), b.output(1)}); }
void average_pool(Backward &b) { give_like_operand(b, OpKind::average_pool_gradient, {b.dy()}); }
void resize_nearest(Backward &b) { give_like_operand(b, OpKind::resize_nearest_gradient, {b.dy()}); }

} // namespace

Rule product_rule(OpKind kind) {
    switch (kind) {
    case OpKind::matmul: return matmul;
    case OpKind::convolution: return convolution;
    case OpKind::convolution_input_gradient: return transposed_convolution;
    case OpKind::max_pool: return max_pool;
    case OpKind::average_pool: return average_pool;
    case OpKind::resize_nearest: return resize_nearest;
    default: return nullptr;
    }
}

} // namespace halfscope::model::autodiff
