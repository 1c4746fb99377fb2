#include "emulation/ops/pooling/pooling.h"
#include "emulation/ops/produce_units.h"

#include <array>

namespace halfscope::ops::pooling {
namespace {

/// source[o] of every axis: the small side's flat offset that position o of the large (output) side reads.
std::vector<std::vector<std::int64_t>> source_offsets(const KernelCall &call, const Shape &small, const Shape &large) {
    if (small.rank() != large.rank() || small.rank() == 0)
        call.reject("needs operands of the same rank, got " + small.text() + " and " + large.text());
    std::vector<std::vector<std::int64_t>> offsets(static_cast<std::size_t>(small.rank()));
    std::int64_t stride = 1;
    for (int axis = small.rank() - 1; axis >= 0; --axis) {
        if (small[axis] == 0 && large[axis] != 0) call.reject("cannot resize an empty axis");
        for (std::int64_t i = 0; i < large[axis]; ++i)
            offsets[static_cast<std::size_t>(axis)].push_back(i * small[axis] / large[axis] * stride);
        stride *= small[axis];
    }
    return offsets;
}

/// Calls row(first element of the row on the large side, offset of its source row on the small side) in order, for the
/// rows [first, last) of the large side.
template <typename Row>
void for_each_row(const std::vector<std::vector<std::int64_t>> &offsets, const Shape &large, std::int64_t first,
                  std::int64_t last, const Row &row) {
    const int leading = large.rank() - 1;
    for (std::int64_t number = first; number < last; ++number) {
        std::int64_t rest = number, source = 0;
        for (int axis = leading - 1; axis >= 0; --axis) {
            source += offsets[static_cast<std::size_t>(axis)][static_cast<std::size_t>(rest % large[axis])];
            rest /= large[axis];
        }
        row(number, source);
    }
}

} // namespace

template <typename C> void resize_nearest(const KernelCall &call) {
    const TensorView &x = call.inputs[0], &y = call.outputs[0];
    const auto offsets = source_offsets(call, x.shape, y.shape);
    if (y.shape.elements() == 0) return;
    std::vector<C> storage;
    const C *values = load_all<C>(x, storage, call.threads);
    const std::vector<std::int64_t> &columns = offsets.back();
    const auto width = static_cast<std::int64_t>(columns.size());
    produce_units<C>(call, 0, width, [&](std::int64_t number, C *out) {
        for_each_row(offsets, y.shape, number, number + 1, [&](std::int64_t, std::int64_t source) {
            for (std::int64_t i = 0; i < width; ++i) out[i] = values[source + columns[static_cast<std::size_t>(i)]];
        });
    });
}

template <typename C> void resize_nearest_gradient(const KernelCall &call) {
    const TensorView &dy = call.inputs[0], &dx = call.outputs[0];
    const auto offsets = source_offsets(call, dx.shape, dy.shape);
    const WholeResult<C> result(call, 0);
    std::fill(result.values(), result.values() + dx.shape.elements(), C(0));
    std::vector<C> storage;
    const C *gradient = load_all<C>(dy, storage, call.threads);
    // Axis 0 is resized as any other; its slices are independent only where it keeps its size.
    const std::int64_t slices = dx.shape[0] == dy.shape[0] && dy.shape.rank() > 1 ? dy.shape[0] : 1;
    const std::vector<std::int64_t> &columns = offsets.back();
    const auto width = static_cast<std::int64_t>(columns.size());
    const std::int64_t rows = width == 0 ? 0 : dy.shape.elements() / width;
    call.threads.run(slices, [&](std::int64_t slice) {
        for_each_row(offsets, dy.shape, slice * rows / slices, (slice + 1) * rows / slices,
                     [&](std::int64_t number, std::int64_t target) {
                         for (std::int64_t i = 0; i < width; ++i)
                             result.values()[target + columns[static_cast<std::size_t>(i)]] +=
                                 gradient[number * width + i];
                     });
    });
    result.leave();
}

template void resize_nearest<float>(const KernelCall &);
template void resize_nearest<double>(const KernelCall &);
template void resize_nearest_gradient<float>(const KernelCall &);
template void resize_nearest_gradient<double>(const KernelCall &);

} // namespace halfscope::ops::pooling
