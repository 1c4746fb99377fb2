// Gathers, their gradients (which a forward pass uses as scatters) and data movement: the gradient moves back; elements
// read several times add up.
#include "emulation/model/autodiff/rules.h"

namespace halfscope::model::autodiff {
namespace {

using ops::OpKind;

template <OpKind kind> void scatter(Backward &b) {
    const ValueId data = b.operand(0);
    b.give(0, b.emit({kind, b.operation().attributes, {}}, {b.dy(), b.operand(1)}, b.dtype(data), b.shape(data)));
}

template <OpKind kind> void gather_back(Backward &b) {
    b.give(0, b.emit({kind, b.operation().attributes, {}}, {b.dy(), b.operand(1)}));
}

void transpose(Backward &b) {
    const auto &order = b.operation().get<ops::Permutation>().order;
    ops::Permutation inverse{std::vector<int>(order.size())};
    for (std::size_t i = 0; i < order.size(); ++i)
        inverse.order[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
    b.give(0, b.emit({OpKind::transpose, inverse, {}}, {b.dy()}));
}

void reshape(Backward &b) { b.give(0, b.emit({OpKind::reshape, {}, {}}, {b.dy()}, {}, b.shape(b.operand(0)))); }
void expand(Backward &b) { b.give(0, b.dy()); }

void concat(Backward &b) {
    const int axis = b.operation().get<ops::Axis>().axis;
    const ops::Shape whole = b.shape(b.output());
    ops::Slice part;
    part.starts.assign(static_cast<std::size_t>(whole.rank()), 0);
    part.ends.assign(whole.sizes().begin(), whole.sizes().end());
    part.steps.assign(static_cast<std::size_t>(whole.rank()), 1);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < b.operands(); ++i) {
        const std::int64_t size = b.shape(b.operand(i))[axis];
        part.starts[static_cast<std::size_t>(axis)] = first;
        part.ends[static_cast<std::size_t>(axis)] = first += size;
        if (b.wants(i)) b.give(i, b.emit({OpKind::slice, part, {}}, {b.dy()}));
    }
}

void slice(Backward &b) {
    b.give(0, b.emit({OpKind::slice_gradient, b.operation().attributes, {}}, {b.dy()}, {}, b.shape(b.operand(0))));
}

void pad(Backward &b) {
    const ops::Shape inner = b.shape(b.operand(0));
    ops::Slice crop = b.operation().get<ops::Slice>();
    for (std::size_t i = 0; i < crop.starts.size(); ++i) crop.ends[i] = crop.starts[i] + inner[static_cast<int>(i)];
    crop.steps.assign(crop.starts.size(), 1);
    b.give(0, b.emit({OpKind::slice, crop, {}}, {b.dy()}));
}

void trilu(Backward &b) { b.give(0, b.emit(b.operation(), {b.dy()})); }

void dropout(Backward &b) {
    b.give_node(0, {OpKind::dropout_gradient, b.operation().attributes, {}}, {b.dy(), b.output(1)});
}

} // namespace

Rule movement_rule(OpKind kind) {
    switch (kind) {
    case OpKind::gather: return scatter<OpKind::gather_gradient>;
    case OpKind::gather_elements: return scatter<OpKind::gather_elements_gradient>;
    case OpKind::gather_gradient: return gather_back<OpKind::gather>;
    case OpKind::gather_elements_gradient: return gather_back<OpKind::gather_elements>;
    case OpKind::transpose: return transpose;
    case OpKind::reshape: return reshape;
    case OpKind::expand: return expand;
    case OpKind::concat: return concat;
    case OpKind::slice: return slice;
    case OpKind::pad: return pad;
    case OpKind::trilu: return trilu;
    case OpKind::dropout: return dropout;
    default: return nullptr;
    }
}

} // namespace halfscope::model::autodiff
