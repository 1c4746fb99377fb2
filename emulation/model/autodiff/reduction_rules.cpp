// Reductions over some axes, and the cumulative sum.
#include "emulation/model/autodiff/rules.h"

namespace halfscope::model::autodiff {
namespace {

using ops::OpKind;

ops::Operation plain(OpKind kind) { return {kind, {}, {}}; }

/// Shape of x with the reduced axes kept as 1.
ops::Shape kept(const Backward &b) {
    ops::Shape shape = b.shape(b.operand(0));
    const auto &axes = b.operation().get<ops::Reduction>().axes;
    if (axes.empty())
        for (int axis = 0; axis < shape.rank(); ++axis) shape[axis] = 1;
    for (int axis : axes) shape[axis] = 1;
    return shape;
}

/// dy or y with the reduced axes back as 1, so that it broadcasts against x.
ValueId restored(Backward &b, ValueId value) {
    const ops::Shape shape = kept(b);
    return b.shape(value) == shape ? value : b.emit(plain(OpKind::reshape), {value}, {}, shape);
}

void give_expanded(Backward &b, ValueId value) {
    const ops::Shape shape = b.shape(b.operand(0));
    b.give(0, b.shape(value) == shape ? value : b.emit(plain(OpKind::expand), {value}, {}, shape));
}

void sum(Backward &b) { give_expanded(b, restored(b, b.dy())); }

/// dy / n, then handed to every element (as PyTorch divides after expanding: the same bits).
void mean(Backward &b) {
    const std::int64_t n = b.shape(b.operand(0)).elements() / kept(b).elements();
    const ValueId dy = restored(b, b.dy());
    give_expanded(b, b.emit(plain(OpKind::divide), {dy, b.scalar(static_cast<double>(n), dy)}, b.dtype(dy)));
}

/// Elements equal to the result share dy evenly: (dy * mask) / count, as PyTorch's amax does.
void extreme(Backward &b) {
    const ops::DType type = b.dtype(b.operand(0));
    const ValueId mask = b.emit(plain(OpKind::equal), {b.operand(0), restored(b, b.output())});
    const ValueId ones = b.emit(plain(OpKind::cast), {mask}, type);
    // Counted in fp32: 65504 ties are not a reason to overflow.
    const ValueId wide = type == ops::DType::fp32 || type == ops::DType::fp64
                             ? ones
                             : b.emit(plain(OpKind::cast), {mask}, ops::DType::fp32);
    ops::Reduction reduction = b.operation().get<ops::Reduction>();
    reduction.keep_dims = true;
    const ValueId count = b.emit({OpKind::reduce_sum, reduction, {}}, {wide});
    const ValueId shared = b.emit(plain(OpKind::multiply), {restored(b, b.dy()), ones}, type);
    b.give(0, b.emit(plain(OpKind::divide), {shared, count}, type));
}

/// (dy * y) / x. Only right where no element is zero; with a zero the gradient is NaN there, not silently wrong.
void product(Backward &b) {
    const ValueId total = b.emit(plain(OpKind::multiply), {restored(b, b.dy()), restored(b, b.output())});
    b.give(0, b.emit(plain(OpKind::divide), {total, b.operand(0)}, b.dtype(b.operand(0))));
}

/// dy * (2 * x), two nodes, as the sum of x^2 composes.
void sum_squares(Backward &b) {
    const ValueId twice = b.emit({OpKind::scale, ops::Scalars{2, 0}, {}}, {b.operand(0)});
    b.give(0, b.emit(plain(OpKind::multiply), {restored(b, b.dy()), twice}, b.dtype(b.operand(0))));
}

/// The sum from the other end: reversed, summed, reversed.
void cumulative(Backward &b) {
    const ops::Shape shape = b.shape(b.dy());
    const int axis = b.operation().get<ops::Axis>().axis;
    ops::Slice reversal;
    for (int i = 0; i < shape.rank(); ++i) {
        reversal.starts.push_back(i == axis ? shape[i] - 1 : 0);
        reversal.ends.push_back(i == axis ? -1 : shape[i]);
        reversal.steps.push_back(i == axis ? -1 : 1);
    }
    const ops::Operation reverse{OpKind::slice, reversal, {}};
    b.give(0, b.emit(reverse, {b.emit(b.operation(), {b.emit(reverse, {b.dy()})})}));
}

} // namespace

Rule reduction_rule(OpKind kind) {
    switch (kind) {
    case OpKind::reduce_sum: return sum;
    case OpKind::reduce_mean: return mean;
    case OpKind::reduce_max:
    case OpKind::reduce_min: return extreme;
    case OpKind::reduce_product: return product;
    case OpKind::reduce_sum_squares: return sum_squares;
    case OpKind::cumulative_sum: return cumulative;
    default: return nullptr;
    }
}

} // namespace halfscope::model::autodiff
