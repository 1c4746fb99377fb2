#include "emulation/ops/pooling/pooling.h"
#include "emulation/ops/pooling/take_taps.h"
#include "emulation/ops/pooling/window.h"
#include "emulation/ops/produce_units.h"

#include <algorithm>
#include <limits>

namespace halfscope::ops::pooling {
namespace {

/// The outputs [first, last) along an axis whose tap `tap` lies inside the input.
struct Reach {
    std::int64_t first, last;
};

Reach reach_of(const WindowAxis &axis, std::int64_t tap) {
    const std::int64_t before = axis.pad_begin - tap * axis.dilation; // position of output o is o * stride - before
    const std::int64_t first = before > 0 ? (before + axis.stride - 1) / axis.stride : 0;
    const std::int64_t last = axis.input + before <= 0 ? 0 : (axis.input + before - 1) / axis.stride + 1;
    return {std::min(first, axis.output), std::clamp(last, first, std::max(first, axis.output))};
}

template <typename C>
void pool_plane(const Windows &windows, const C *x, C *y, std::int64_t *index, std::vector<std::int32_t> &winners,
                std::vector<C> &gathered) {
    const WindowAxis &depths = windows.depths, &rows = windows.rows, &columns = windows.columns;
    winners.resize(static_cast<std::size_t>(columns.output));
    gathered.resize(static_cast<std::size_t>(columns.output));
    for (std::int64_t line = 0; line < depths.output * rows.output; ++line) {
        const std::int64_t depth = line / rows.output, row = line % rows.output;
        C *best = y + line * columns.output;
        std::fill(best, best + columns.output, -std::numeric_limits<C>::infinity());
        std::fill(winners.begin(), winners.end(), -1);
        for (std::int64_t k = depths.first_tap(depth); k < depths.last_tap(depth); ++k)
            for (std::int64_t i = rows.first_tap(row); i < rows.last_tap(row); ++i)
                for (std::int64_t j = 0; j < columns.kernel; ++j) {
                    const Reach reach = reach_of(columns, j);
                    const std::int64_t in_row = depths.position(depth, k) * rows.input + rows.position(row, i);
                    const std::int64_t at = in_row * columns.input + columns.position(reach.first, j);
                    const std::int64_t count = reach.last - reach.first;
                    const C *taps = x + at;
                    if (columns.stride != 1) {
                        for (std::int64_t o = 0; o < count; ++o)
                            gathered[static_cast<std::size_t>(o)] = x[at + o * columns.stride];
                        taps = gathered.data();
                    }
                    take_taps(taps, static_cast<std::int32_t>(at), static_cast<std::int32_t>(columns.stride), count,
                              best + reach.first, winners.data() + reach.first);
                }
        std::copy(winners.begin(), winners.end(), index + line * columns.output);
    }
}

} // namespace

template <typename C> void max_pool(const KernelCall &call) {
    const TensorView &x = call.inputs[0], &y = call.outputs[0], &index = call.outputs[1];
    const Windows windows = windows_of(call, x.shape, y.shape);
    if (index.dtype != DType::int64 || !(index.shape == y.shape))
        call.reject("the index output must be int64 of the result's shape " + y.shape.text());
    if (windows.input_plane() > std::numeric_limits<std::int32_t>::max()) call.reject("a plane is too large");
    const WholeResult<C> result(call, 0);
    const std::int64_t in = windows.input_plane(), out = windows.output_plane();
    call.threads.run(windows.planes, [&](std::int64_t plane) {
        thread_local std::vector<C> scratch, gathered;
        thread_local std::vector<std::int32_t> winners;
        scratch.resize(static_cast<std::size_t>(in));
        pool_plane(windows, load<C>(x, plane * in, in, scratch.data()), result.values() + plane * out,
                   index.as<std::int64_t>() + plane * out, winners, gathered);
    });
    result.leave();
}

template <typename C> void max_pool_gradient(const KernelCall &call) {
    const TensorView &dy = call.inputs[0], &index = call.inputs[1], &dx = call.outputs[0];
    const Windows windows = windows_of(call, dx.shape, dy.shape);
    if (index.dtype != DType::int64 || !(index.shape == dy.shape))
        call.reject("the index must be int64 of the gradient's shape " + dy.shape.text());
    const std::int64_t in = windows.input_plane(), out = windows.output_plane();
    produce_units<C>(call, 0, in, [&](std::int64_t plane, C *result) {
        thread_local std::vector<C> scratch;
        scratch.resize(static_cast<std::size_t>(out));
        const C *gradient = load<C>(dy, plane * out, out, scratch.data());
        const std::int64_t *winners = index.as<const std::int64_t>() + plane * out;
        std::fill(result, result + in, C(0));
        for (std::int64_t i = 0; i < out; ++i) {
            if (winners[i] < 0) continue;
            if (winners[i] >= in)
                call.reject("index " + std::to_string(winners[i]) + " lies outside a plane of " + std::to_string(in) +
                            " elements");
            result[winners[i]] += gradient[i];
        }
    });
}

template void max_pool<float>(const KernelCall &);
template void max_pool<double>(const KernelCall &);
template void max_pool_gradient<float>(const KernelCall &);
template void max_pool_gradient<double>(const KernelCall &);

} // namespace halfscope::ops::pooling
