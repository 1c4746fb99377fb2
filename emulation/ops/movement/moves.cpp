#include "emulation/ops/movement/moves.h"

#include "emulation/number/round_array.h"

#include <algorithm>
#include <bit>

namespace halfscope::ops::movement {
namespace {

/// The bits of `value` in a storage type, rounded to nearest even.
std::uint64_t bits_of(double value, DType dtype) {
    switch (dtype) {
    case DType::fp32: return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    case DType::fp16:
    case DType::bf16: return number::round_to_16bit(static_cast<float>(value), format_id(dtype));
    case DType::fp64: return std::bit_cast<std::uint64_t>(value);
    case DType::int64: return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
    case DType::boolean: return value != 0;
    }
    return 0;
}

const Shape &single_input(const KernelCall &call) {
    if (call.inputs.size() != 1) call.reject("takes one operand");
    return call.inputs[0].shape;
}

std::size_t at(int axis) { return static_cast<std::size_t>(axis); }

StridedCopy reshape(const KernelCall &call) {
    const Shape &from = single_input(call), &to = call.outputs[0].shape;
    if (from.elements() != to.elements())
        call.reject("shape " + from.text() + " does not hold as many elements as " + to.text());
    StridedCopy copy;
    copy.add_axis(from.elements(), 1, 1);
    return copy;
}

StridedCopy transpose(const KernelCall &call) {
    const Shape &from = single_input(call), &to = call.outputs[0].shape;
    const auto &order = call.operation.get<Permutation>().order;
    const int rank = from.rank();
    bool fits = order.size() == at(rank) && to.rank() == rank;
    unsigned seen = 0;
    for (int axis = 0; fits && axis < rank; ++axis) {
        const int source = order[at(axis)];
        fits = source >= 0 && source < rank && !(seen >> source & 1u) && to[axis] == from[source];
        if (fits) seen |= 1u << source;
    }
    if (!fits) call.reject("the permutation does not turn shape " + from.text() + " into " + to.text());
    const auto in_strides = dense_strides(from), out_strides = dense_strides(to);
    StridedCopy copy;
    for (int axis = 0; axis < rank; ++axis)
        copy.add_axis(to[axis], in_strides[at(order[at(axis)])], out_strides[at(axis)]);
    return copy;
}

StridedCopy expand(const KernelCall &call) {
    const Shape &from = single_input(call), &to = call.outputs[0].shape;
    const int missing = to.rank() - from.rank();
    const auto in_strides = dense_strides(from), out_strides = dense_strides(to);
    StridedCopy copy;
    for (int axis = 0; axis < to.rank(); ++axis) {
        const int own = axis - missing;
        const std::int64_t size = own < 0 ? 1 : from[own];
        if (missing < 0 || (size != 1 && size != to[axis]))
            call.reject("shape " + from.text() + " does not broadcast to " + to.text());
        copy.add_axis(to[axis], size == 1 ? 0 : in_strides[at(own)], out_strides[at(axis)]);
    }
    return copy;
}

Moves concat(const KernelCall &call) {
    const int axis = call.operation.get<Axis>().axis;
    const Shape &to = call.outputs[0].shape;
    if (axis < 0 || axis >= to.rank()) call.reject("axis " + std::to_string(axis) + " does not exist");
    std::int64_t before = 1, after = 1, joined = 0;
    for (int a = 0; a < axis; ++a) before *= to[a];
    for (int a = axis + 1; a < to.rank(); ++a) after *= to[a];
    for (const TensorView &in : call.inputs) {
        bool fits = in.shape.rank() == to.rank();
        for (int a = 0; fits && a < to.rank(); ++a) fits = a == axis || in.shape[a] == to[a];
        if (!fits) call.reject("shape " + in.shape.text() + " is no part of " + to.text());
        joined += in.shape[axis];
    }
    if (joined != to[axis]) call.reject("the parts do not add up to shape " + to.text());
    Moves moves;
    std::int64_t at_row = 0;
    for (std::size_t k = 0; k < call.inputs.size(); ++k) {
        const std::int64_t run = call.inputs[k].shape[axis] * after;
        StridedCopy copy;
        copy.out_offset = at_row * after;
        copy.add_axis(before, run, to[axis] * after);
        copy.add_axis(run, 1, 1);
        moves.parts.push_back({k, copy});
        at_row += call.inputs[k].shape[axis];
    }
    return moves;
}

/// Which elements of `whole` a Slice names: sizes, strides and the offset of the first. Rejects what lies outside.
StridedCopy sliced(const KernelCall &call, const Shape &whole, const Shape &part, bool into_whole) {
    const auto &slice = call.operation.get<Slice>();
    const auto rank = at(whole.rank());
    if (part.rank() != whole.rank() || slice.starts.size() != rank || slice.ends.size() != rank ||
        (!slice.steps.empty() && slice.steps.size() != rank))
        call.reject("the slice needs a start and an end for each of the axes of " + whole.text());
    const auto whole_strides = dense_strides(whole), part_strides = dense_strides(part);
    StridedCopy copy;
    std::int64_t &offset = into_whole ? copy.out_offset : copy.in_offset;
    for (int axis = 0; axis < whole.rank(); ++axis) {
        const std::int64_t step = slice.steps.empty() ? 1 : slice.steps[at(axis)];
        const std::int64_t start = slice.starts[at(axis)], end = slice.ends[at(axis)];
        if (step == 0) call.reject("a slice's step may not be 0");
        const std::int64_t distance = step > 0 ? end - start : start - end;
        const std::int64_t pace = step > 0 ? step : -step;
        const std::int64_t count = distance <= 0 ? 0 : (distance + pace - 1) / pace;
        const std::int64_t final_index = start + (count - 1) * step;
        if (count != part[axis] ||
            (count > 0 && (start < 0 || start >= whole[axis] || final_index < 0 || final_index >= whole[axis])))
            call.reject("the slice of " + whole.text() + " along axis " + std::to_string(axis) +
                        " does not have shape " + part.text());
        offset += start * whole_strides[at(axis)];
        const std::int64_t stride = step * whole_strides[at(axis)];
        if (into_whole)
            copy.add_axis(count, part_strides[at(axis)], stride);
        else
            copy.add_axis(count, stride, part_strides[at(axis)]);
    }
    return copy;
}

Moves slice_gradient(const KernelCall &call) {
    return {0, {{0, sliced(call, call.outputs[0].shape, single_input(call), true)}}};
}

Moves pad(const KernelCall &call, DType stored) {
    const Shape &from = single_input(call), &to = call.outputs[0].shape;
    const auto &pads = call.operation.get<Slice>();
    const auto rank = at(from.rank());
    if (to.rank() != from.rank() || pads.starts.size() != rank || pads.ends.size() != rank)
        call.reject("needs a leading and a trailing pad for each of the axes of " + from.text());
    const auto in_strides = dense_strides(from), out_strides = dense_strides(to);
    StridedCopy copy;
    bool covered = true;
    for (int axis = 0; axis < to.rank(); ++axis) {
        // A negative pad cuts elements off.
        const std::int64_t leading = pads.starts[at(axis)], trailing = pads.ends[at(axis)];
        if (from[axis] + leading + trailing != to[axis])
            call.reject("shape " + from.text() + " padded does not become " + to.text());
        const std::int64_t skip = std::max<std::int64_t>(0, -leading), begin = std::max<std::int64_t>(0, leading);
        const std::int64_t kept = from[axis] - skip - std::max<std::int64_t>(0, -trailing);
        covered = covered && kept == to[axis];
        copy.in_offset += skip * in_strides[at(axis)];
        copy.out_offset += begin * out_strides[at(axis)];
        copy.add_axis(std::max<std::int64_t>(0, kept), in_strides[at(axis)], out_strides[at(axis)]);
    }
    Moves moves{std::nullopt, {{0, copy}}};
    if (!covered) moves.fill = bits_of(pads.value, stored);
    return moves;
}

} // namespace

Moves moves_of(const KernelCall &call, DType stored) {
    const auto one = [](const StridedCopy &copy) { return Moves{std::nullopt, {{0, copy}}}; };
    switch (call.operation.kind) {
    case OpKind::reshape: return one(reshape(call));
    case OpKind::transpose: return one(transpose(call));
    case OpKind::expand: return one(expand(call));
    case OpKind::concat: return concat(call);
    case OpKind::slice: return one(sliced(call, single_input(call), call.outputs[0].shape, false));
    case OpKind::slice_gradient: return slice_gradient(call);
    case OpKind::pad: return pad(call, stored);
    default: call.reject("this is not a movement operation");
    }
}

Triangle triangle_of(const KernelCall &call) {
    const Shape &shape = single_input(call);
    if (!(shape == call.outputs[0].shape) || shape.rank() < 2)
        call.reject("keeps the shape of its operand, which has at least two axes");
    const auto &scalars = call.operation.get<Scalars>();
    return {shape[shape.rank() - 2], shape[shape.rank() - 1], static_cast<std::int64_t>(scalars.beta),
            scalars.alpha == 1};
}

} // namespace halfscope::ops::movement
