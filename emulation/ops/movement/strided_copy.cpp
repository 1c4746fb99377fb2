#include "emulation/ops/movement/strided_copy.h"

#include <algorithm>
#include <cstring>

namespace halfscope::ops::movement {
namespace {

/// Elements a task should move at least, so that threads are worth their start.
constexpr std::int64_t task_elements = 32768;
/// Side of the square tiles of a transpose: two tiles of 8-byte elements stay in the first-level cache.
constexpr std::int64_t tile = 32;

/// A merged copy's axes, to be taken off one by one. The innermost axis comes last.
struct Plan {
    int rank = 0;
    std::int64_t sizes[Shape::max_rank], in[Shape::max_rank], out[Shape::max_rank];

    explicit Plan(const StridedCopy &copy) : rank(copy.rank) {
        std::copy(copy.sizes.begin(), copy.sizes.end(), sizes);
        std::copy(copy.in_strides.begin(), copy.in_strides.end(), in);
        std::copy(copy.out_strides.begin(), copy.out_strides.end(), out);
    }

    void remove(int axis) {
        for (int next = axis + 1; next < rank; ++next) {
            sizes[next - 1] = sizes[next];
            in[next - 1] = in[next];
            out[next - 1] = out[next];
        }
        --rank;
    }
};

/// The innermost axis of the result (a line) and a second one (rows of lines), taken together by one step.
struct Inner {
    std::int64_t size, in, out;
    std::int64_t rows = 1, rows_in = 0, rows_out = 0;

    /// The operand is contiguous along the rows, not along the line.
    [[nodiscard]] bool transposes() const { return in != 1 && in != 0 && rows_in == 1; }
};

template <typename T>
void copy_line(const T *in, T *out, std::int64_t count, std::int64_t in_step, std::int64_t out_step) {
    if (in_step == 1 && out_step == 1) {
        std::memcpy(out, in, static_cast<std::size_t>(count) * sizeof(T));
    } else if (in_step == 0 && out_step == 1) {
        std::fill_n(out, count, *in);
    } else {
        for (std::int64_t i = 0; i < count; ++i) out[i * out_step] = in[i * in_step];
    }
}

/// One tile of a transpose. It is gathered into a small buffer first, because lines of the operand that lie a power of
/// two apart share cache sets and would push each other out before all their elements are used.
template <typename T>
void transpose_tile(const T *in, T *out, const Inner &inner, std::int64_t height, std::int64_t width) {
    alignas(64) T buffer[tile][tile]; // [column][row]
    for (std::int64_t column = 0; column < width; ++column) {
        const T *from = in + column * inner.in;
        if (height == tile)
            std::memcpy(buffer[column], from, sizeof buffer[column]);
        else
            std::copy_n(from, height, buffer[column]);
    }
    for (std::int64_t row = 0; row < height; ++row) {
        T *to = out + row * inner.rows_out;
        for (std::int64_t column = 0; column < width; ++column) to[column * inner.out] = buffer[column][row];
    }
}

/// Rows [first, last) of a step.
template <typename T> void copy_rows(const T *in, T *out, const Inner &inner, std::int64_t first, std::int64_t last) {
    if (!inner.transposes()) {
        for (std::int64_t row = first; row < last; ++row)
            copy_line(in + row * inner.rows_in, out + row * inner.rows_out, inner.size, inner.in, inner.out);
        return;
    }
    for (std::int64_t row = first; row < last; row += tile)
        for (std::int64_t column = 0; column < inner.size; column += tile)
            transpose_tile(in + row + column * inner.in, out + row * inner.rows_out + column * inner.out, inner,
                           std::min(tile, last - row), std::min(tile, inner.size - column));
}

/// Splits the plan's last axis off, and a second one: that along which the operand is contiguous when the last is not.
Inner take_inner(Plan &plan) {
    const int last = plan.rank - 1;
    Inner inner{plan.sizes[last], plan.in[last], plan.out[last]};
    plan.remove(last);
    int second = plan.rank - 1;
    if (inner.in != 1 && inner.in != 0)
        for (int axis = 0; axis < plan.rank; ++axis)
            if (plan.in[axis] == 1) second = axis;
    if (second >= 0) {
        inner.rows = plan.sizes[second];
        inner.rows_in = plan.in[second];
        inner.rows_out = plan.out[second];
        plan.remove(second);
    }
    return inner;
}

template <typename T> void execute(Plan plan, const T *in, T *out, ThreadPool &threads) {
    const Inner inner = take_inner(plan);
    std::int64_t steps = 1;
    for (int axis = 0; axis < plan.rank; ++axis) steps *= plan.sizes[axis];
    // A task is a run of steps, or some rows of one step, or (a single row) some elements of a line.
    const std::int64_t step = inner.size * inner.rows;
    const std::int64_t steps_per_task = std::max<std::int64_t>(1, task_elements / step);
    const bool split_line = inner.rows == 1;
    const std::int64_t unit = split_line ? inner.size : inner.rows;
    const std::int64_t wanted = split_line ? task_elements : task_elements / inner.size / tile * tile;
    const std::int64_t part = step > 2 * task_elements ? std::max(tile, wanted) : unit;
    const std::int64_t parts = (unit + part - 1) / part;
    threads.run((steps + steps_per_task - 1) / steps_per_task * parts, [&](std::int64_t task) {
        const std::int64_t from = task % parts * part, to = std::min(unit, from + part);
        const std::int64_t first = task / parts * steps_per_task;
        for (std::int64_t number = first; number < std::min(steps, first + steps_per_task); ++number) {
            std::int64_t rest = number, in_at = 0, out_at = 0;
            for (int axis = plan.rank - 1; axis >= 0; --axis) {
                const std::int64_t index = rest % plan.sizes[axis];
                rest /= plan.sizes[axis];
                in_at += index * plan.in[axis];
                out_at += index * plan.out[axis];
            }
            if (split_line)
                copy_line(in + in_at + from * inner.in, out + out_at + from * inner.out, to - from, inner.in,
                          inner.out);
            else
                copy_rows(in + in_at, out + out_at, inner, from, to);
        }
    });
}

template <typename T> void execute(const StridedCopy &copy, const void *in, void *out, ThreadPool &threads) {
    execute(Plan(copy.merged()), static_cast<const T *>(in) + copy.in_offset, static_cast<T *>(out) + copy.out_offset,
            threads);
}

} // namespace

void StridedCopy::add_axis(std::int64_t size, std::int64_t in_stride, std::int64_t out_stride) {
    const auto axis = static_cast<std::size_t>(rank++);
    sizes.at(axis) = size;
    in_strides[axis] = in_stride;
    out_strides[axis] = out_stride;
}

StridedCopy StridedCopy::merged() const {
    StridedCopy copy;
    copy.in_offset = in_offset;
    copy.out_offset = out_offset;
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(rank); ++axis) {
        if (sizes[axis] == 1) continue;
        const auto before = static_cast<std::size_t>(copy.rank) - 1;
        if (copy.rank > 0 && copy.in_strides[before] == in_strides[axis] * sizes[axis] &&
            copy.out_strides[before] == out_strides[axis] * sizes[axis]) {
            copy.sizes[before] *= sizes[axis];
            copy.in_strides[before] = in_strides[axis];
            copy.out_strides[before] = out_strides[axis];
        } else
            copy.add_axis(sizes[axis], in_strides[axis], out_strides[axis]);
    }
    if (copy.rank == 0) copy.add_axis(1, 1, 1);
    return copy;
}

std::int64_t StridedCopy::elements() const {
    std::int64_t product = 1;
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(rank); ++axis)
        product *= std::max<std::int64_t>(0, sizes[axis]);
    return product;
}

void StridedCopy::run(const void *in, void *out, DType dtype, ThreadPool &threads) const {
    if (elements() == 0) return;
    switch (size_of(dtype)) {
    case 1: return execute<std::uint8_t>(*this, in, out, threads);
    case 2: return execute<std::uint16_t>(*this, in, out, threads);
    case 4: return execute<std::uint32_t>(*this, in, out, threads);
    default: return execute<std::uint64_t>(*this, in, out, threads);
    }
}

std::array<std::int64_t, Shape::max_rank> dense_strides(const Shape &shape) {
    std::array<std::int64_t, Shape::max_rank> strides{};
    std::int64_t stride = 1;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
        strides[static_cast<std::size_t>(axis)] = stride;
        stride *= shape[axis];
    }
    return strides;
}

} // namespace halfscope::ops::movement
