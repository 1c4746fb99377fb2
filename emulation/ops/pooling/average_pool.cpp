#include "emulation/ops/pooling/pooling.h"
#include "emulation/ops/pooling/window.h"
#include "emulation/ops/produce_units.h"

namespace halfscope::ops::pooling {
namespace {

/// How many taps of output position `out` divide its sum, along one axis.
std::int64_t divisor(const WindowAxis &axis, std::int64_t out, bool count_padding) {
    return count_padding ? axis.counted_taps(out) : std::max<std::int64_t>(0, axis.last_tap(out) - axis.first_tap(out));
}

/// Calls visit(output element, divisor, for_each_tap) for every window in row-major order.
template <typename C, typename Visit>
void for_each_window(const Windows &windows, bool count_padding, const Visit &visit) {
    const WindowAxis &depths = windows.depths, &rows = windows.rows, &columns = windows.columns;
    for (std::int64_t line = 0; line < depths.output * rows.output; ++line)
        for (std::int64_t column = 0; column < columns.output; ++column) {
            const std::int64_t depth = line / rows.output, row = line % rows.output;
            const std::int64_t i0 = rows.first_tap(row), i1 = rows.last_tap(row);
            const std::int64_t j0 = columns.first_tap(column), j1 = columns.last_tap(column);
            const std::int64_t count = divisor(depths, depth, count_padding) * divisor(rows, row, count_padding) *
                                       divisor(columns, column, count_padding);
            visit(line * columns.output + column, static_cast<C>(count), [&](const auto &tap) {
                for (std::int64_t k = depths.first_tap(depth); k < depths.last_tap(depth); ++k) {
                    const std::int64_t plane = depths.position(depth, k) * rows.input;
                    for (std::int64_t i = i0; i < i1; ++i)
                        for (std::int64_t j = j0; j < j1; ++j)
                            tap((plane + rows.position(row, i)) * columns.input + columns.position(column, j));
                }
            });
        }
}

} // namespace

template <typename C> void average_pool(const KernelCall &call) {
    const TensorView &x = call.inputs[0];
    const Windows windows = windows_of(call, x.shape, call.outputs[0].shape);
    const bool count_padding = call.operation.get<Pooling>().count_include_pad;
    const std::int64_t in = windows.input_plane();
    produce_units<C>(call, 0, windows.output_plane(), [&](std::int64_t plane, C *out) {
        thread_local std::vector<C> scratch;
        scratch.resize(static_cast<std::size_t>(in));
        const C *values = load<C>(x, plane * in, in, scratch.data());
        for_each_window<C>(windows, count_padding, [&](std::int64_t element, C count, const auto &for_each_tap) {
            C sum = 0;
            for_each_tap([&](std::int64_t at) { sum += values[at]; });
            out[element] = sum / count;
        });
    });
}

template <typename C> void average_pool_gradient(const KernelCall &call) {
    const TensorView &dy = call.inputs[0];
    const Windows windows = windows_of(call, call.outputs[0].shape, dy.shape);
    const bool count_padding = call.operation.get<Pooling>().count_include_pad;
    const std::int64_t out = windows.output_plane(), in = windows.input_plane();
    produce_units<C>(call, 0, in, [&](std::int64_t plane, C *result) {
        thread_local std::vector<C> scratch;
        scratch.resize(static_cast<std::size_t>(out));
        const C *gradient = load<C>(dy, plane * out, out, scratch.data());
        std::fill(result, result + in, C(0));
        for_each_window<C>(windows, count_padding, [&](std::int64_t element, C count, const auto &for_each_tap) {
            const C share = gradient[element] / count;
            for_each_tap([&](std::int64_t at) { result[at] += share; });
        });
    });
}

template void average_pool<float>(const KernelCall &);
template void average_pool<double>(const KernelCall &);
template void average_pool_gradient<float>(const KernelCall &);
template void average_pool_gradient<double>(const KernelCall &);

} // namespace halfscope::ops::pooling
