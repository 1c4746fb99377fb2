#include "emulation/ops/movement/moves.h"

#include "emulation/number/round_array.h"
#include "emulation/ops/movement/strided_copy.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace halfscope::ops::movement {
namespace {

constexpr std::int64_t byte_task = 1 << 17;

/// Memory set to copies of one element (its bits), in parallel.
void fill(const TensorView &out, std::uint64_t bits, ThreadPool &threads) {
    const auto fill_as = [&]<typename T>(T element) {
        const std::int64_t total = out.shape.elements();
        const std::int64_t chunk = byte_task / static_cast<std::int64_t>(sizeof(T));
        threads.run((total + chunk - 1) / chunk, [&](std::int64_t task) {
            std::fill_n(out.as<T>() + task * chunk, std::min(chunk, total - task * chunk), element);
        });
    };
    switch (size_of(out.dtype)) {
    case 1: return fill_as(static_cast<std::uint8_t>(bits));
    case 2: return fill_as(static_cast<std::uint16_t>(bits));
    case 4: return fill_as(static_cast<std::uint32_t>(bits));
    default: return fill_as(bits);
    }
}

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

const TensorView &single_input(const Move &move) {
    if (move.inputs.size() != 1) move.call.reject("takes one operand");
    return move.inputs[0];
}

std::size_t at(int axis) { return static_cast<std::size_t>(axis); }

} // namespace

void reshape(const Move &move) {
    const TensorView &in = single_input(move);
    if (in.shape.elements() != move.out.shape.elements())
        move.call.reject("shape " + in.shape.text() + " does not hold as many elements as " + move.out.shape.text());
    StridedCopy copy;
    copy.add_axis(in.shape.elements(), 1, 1);
    copy.run(in.data, move.out.data, in.dtype, move.call.threads);
}

void transpose(const Move &move) {
    const TensorView &in = single_input(move);
    const auto &order = move.call.operation.get<Permutation>().order;
    const int rank = in.shape.rank();
    bool fits = order.size() == at(rank) && move.out.shape.rank() == rank;
    unsigned seen = 0;
    for (int axis = 0; fits && axis < rank; ++axis) {
        const int from = order[at(axis)];
        fits = from >= 0 && from < rank && !(seen >> from & 1u) && move.out.shape[axis] == in.shape[from];
        if (fits) seen |= 1u << from;
    }
    if (!fits)
        move.call.reject("the permutation does not turn shape " + in.shape.text() + " into " + move.out.shape.text());
    const auto in_strides = dense_strides(in.shape), out_strides = dense_strides(move.out.shape);
    StridedCopy copy;
    for (int axis = 0; axis < rank; ++axis)
        copy.add_axis(move.out.shape[axis], in_strides[at(order[at(axis)])], out_strides[at(axis)]);
    copy.run(in.data, move.out.data, in.dtype, move.call.threads);
}

void expand(const Move &move) {
    const TensorView &in = single_input(move);
    const Shape &to = move.out.shape;
    const int missing = to.rank() - in.shape.rank();
    const auto in_strides = dense_strides(in.shape), out_strides = dense_strides(to);
    StridedCopy copy;
    for (int axis = 0; axis < to.rank(); ++axis) {
        const int own = axis - missing;
        const std::int64_t size = own < 0 ? 1 : in.shape[own];
        if (missing < 0 || (size != 1 && size != to[axis]))
            move.call.reject("shape " + in.shape.text() + " does not broadcast to " + to.text());
        copy.add_axis(to[axis], size == 1 ? 0 : in_strides[at(own)], out_strides[at(axis)]);
    }
    copy.run(in.data, move.out.data, in.dtype, move.call.threads);
}

void concat(const Move &move) {
    const int axis = move.call.operation.get<Axis>().axis;
    const Shape &to = move.out.shape;
    if (axis < 0 || axis >= to.rank()) move.call.reject("axis " + std::to_string(axis) + " does not exist");
    std::int64_t before = 1, after = 1, joined = 0;
    for (int a = 0; a < axis; ++a) before *= to[a];
    for (int a = axis + 1; a < to.rank(); ++a) after *= to[a];
    for (const TensorView &in : move.inputs) {
        bool fits = in.shape.rank() == to.rank();
        for (int a = 0; fits && a < to.rank(); ++a) fits = a == axis || in.shape[a] == to[a];
        if (!fits) move.call.reject("shape " + in.shape.text() + " is no part of " + to.text());
        joined += in.shape[axis];
    }
    if (joined != to[axis]) move.call.reject("the parts do not add up to shape " + to.text());
    std::int64_t at_row = 0;
    for (const TensorView &in : move.inputs) {
        const std::int64_t run = in.shape[axis] * after;
        StridedCopy copy;
        copy.out_offset = at_row * after;
        copy.add_axis(before, run, to[axis] * after);
        copy.add_axis(run, 1, 1);
        copy.run(in.data, move.out.data, in.dtype, move.call.threads);
        at_row += in.shape[axis];
    }
}

namespace {

/// Which elements of `whole` a Slice names: sizes, strides and the offset of the first. Rejects what lies outside.
StridedCopy sliced(const Move &move, const Shape &whole, const Shape &part, bool into_whole) {
    const auto &slice = move.call.operation.get<Slice>();
    const auto rank = at(whole.rank());
    if (part.rank() != whole.rank() || slice.starts.size() != rank || slice.ends.size() != rank ||
        (!slice.steps.empty() && slice.steps.size() != rank))
        move.call.reject("the slice needs a start and an end for each of the axes of " + whole.text());
    const auto whole_strides = dense_strides(whole), part_strides = dense_strides(part);
    StridedCopy copy;
    std::int64_t &offset = into_whole ? copy.out_offset : copy.in_offset;
    for (int axis = 0; axis < whole.rank(); ++axis) {
        const std::int64_t step = slice.steps.empty() ? 1 : slice.steps[at(axis)];
        const std::int64_t start = slice.starts[at(axis)], end = slice.ends[at(axis)];
        if (step == 0) move.call.reject("a slice's step may not be 0");
        const std::int64_t distance = step > 0 ? end - start : start - end;
        const std::int64_t pace = step > 0 ? step : -step;
        const std::int64_t count = distance <= 0 ? 0 : (distance + pace - 1) / pace;
        const std::int64_t final_index = start + (count - 1) * step;
        if (count != part[axis] ||
            (count > 0 && (start < 0 || start >= whole[axis] || final_index < 0 || final_index >= whole[axis])))
            move.call.reject("the slice of " + whole.text() + " along axis " + std::to_string(axis) +
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

} // namespace

void slice(const Move &move) {
    const TensorView &in = single_input(move);
    sliced(move, in.shape, move.out.shape, false).run(in.data, move.out.data, in.dtype, move.call.threads);
}

void slice_gradient(const Move &move) {
    const TensorView &dy = single_input(move);
    const StridedCopy copy = sliced(move, move.out.shape, dy.shape, true);
    fill(move.out, 0, move.call.threads);
    copy.run(dy.data, move.out.data, dy.dtype, move.call.threads);
}

void pad(const Move &move) {
    const TensorView &in = single_input(move);
    const auto &pads = move.call.operation.get<Slice>();
    const Shape &to = move.out.shape;
    const auto rank = at(in.shape.rank());
    if (to.rank() != in.shape.rank() || pads.starts.size() != rank || pads.ends.size() != rank)
        move.call.reject("needs a leading and a trailing pad for each of the axes of " + in.shape.text());
    const auto in_strides = dense_strides(in.shape), out_strides = dense_strides(to);
    StridedCopy copy;
    bool covered = true;
    for (int axis = 0; axis < to.rank(); ++axis) {
        // A negative pad cuts elements off.
        const std::int64_t leading = pads.starts[at(axis)], trailing = pads.ends[at(axis)];
        if (in.shape[axis] + leading + trailing != to[axis])
            move.call.reject("shape " + in.shape.text() + " padded does not become " + to.text());
        const std::int64_t skip = std::max<std::int64_t>(0, -leading), begin = std::max<std::int64_t>(0, leading);
        const std::int64_t kept = in.shape[axis] - skip - std::max<std::int64_t>(0, -trailing);
        covered = covered && kept == to[axis];
        copy.in_offset += skip * in_strides[at(axis)];
        copy.out_offset += begin * out_strides[at(axis)];
        copy.add_axis(std::max<std::int64_t>(0, kept), in_strides[at(axis)], out_strides[at(axis)]);
    }
    if (!covered) fill(move.out, bits_of(pads.value, move.out.dtype), move.call.threads);
    copy.run(in.data, move.out.data, in.dtype, move.call.threads);
}

void trilu(const Move &move) {
    const TensorView &in = single_input(move);
    const auto &scalars = move.call.operation.get<Scalars>();
    if (!(in.shape == move.out.shape) || in.shape.rank() < 2)
        move.call.reject("keeps the shape of its operand, which has at least two axes");
    const bool upper = scalars.alpha == 1;
    const auto diagonal = static_cast<std::int64_t>(scalars.beta);
    const std::int64_t rows = in.shape[in.shape.rank() - 2], columns = in.shape[in.shape.rank() - 1];
    const std::size_t element = size_of(in.dtype);
    if (in.shape.elements() == 0) return;
    const std::int64_t all_rows = in.shape.elements() / columns;
    const std::int64_t per_task = std::max<std::int64_t>(1, byte_task / (columns * static_cast<std::int64_t>(element)));
    move.call.threads.run((all_rows + per_task - 1) / per_task, [&](std::int64_t task) {
        for (std::int64_t row = task * per_task; row < std::min(all_rows, (task + 1) * per_task); ++row) {
            // Element (r, c) is kept when c - r >= diagonal (upper) or <= diagonal (lower).
            const std::int64_t edge = std::clamp<std::int64_t>(row % rows + diagonal + (upper ? 0 : 1), 0, columns);
            const std::int64_t first = upper ? edge : 0, last = upper ? columns : edge;
            const auto bytes = [&](std::int64_t columns_before) {
                return static_cast<std::size_t>(row * columns + columns_before) * element;
            };
            std::byte *out = move.out.as<std::byte>();
            std::memset(out + bytes(0), 0, bytes(first) - bytes(0));
            std::memcpy(out + bytes(first), in.as<const std::byte>() + bytes(first), bytes(last) - bytes(first));
            std::memset(out + bytes(last), 0, bytes(columns) - bytes(last));
        }
    });
}

} // namespace halfscope::ops::movement
