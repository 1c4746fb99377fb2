#include "emulation/ops/pooling/pooling.h"
#include "emulation/ops/pooling/window.h"
#include "emulation/ops/produce_units.h"

#include <cmath>
#include <limits>

namespace halfscope::ops::pooling {
namespace {

template <typename C> void pool_plane(const Windows &windows, const C *x, C *y, std::int64_t *index) {
    const WindowAxis &rows = windows.rows, &columns = windows.columns;
    for (std::int64_t row = 0; row < rows.output; ++row) {
        const std::int64_t row_first = rows.first_tap(row), row_last = rows.last_tap(row);
        for (std::int64_t column = 0; column < columns.output; ++column) {
            const std::int64_t column_first = columns.first_tap(column), column_last = columns.last_tap(column);
            C best = -std::numeric_limits<C>::infinity();
            std::int64_t winner =
                row_first < row_last && column_first < column_last
                    ? rows.position(row, row_first) * columns.input + columns.position(column, column_first)
                    : -1;
            for (std::int64_t i = row_first; i < row_last; ++i)
                for (std::int64_t j = column_first; j < column_last; ++j) {
                    const std::int64_t at = rows.position(row, i) * columns.input + columns.position(column, j);
                    if (x[at] > best || std::isnan(x[at])) {
                        best = x[at];
                        winner = at;
                    }
                }
            y[row * columns.output + column] = best;
            index[row * columns.output + column] = winner;
        }
    }
}

} // namespace

template <typename C> void max_pool(const KernelCall &call) {
    const TensorView &x = call.inputs[0], &y = call.outputs[0], &index = call.outputs[1];
    const Windows windows = windows_of(call, x.shape, y.shape);
    if (index.dtype != DType::int64 || !(index.shape == y.shape))
        call.reject("the index output must be int64 of the result's shape " + y.shape.text());
    const WholeResult<C> result(call, 0);
    const std::int64_t in = windows.input_plane(), out = windows.output_plane();
    call.threads.run(windows.planes, [&](std::int64_t plane) {
        thread_local std::vector<C> scratch;
        scratch.resize(static_cast<std::size_t>(in));
        pool_plane(windows, load<C>(x, plane * in, in, scratch.data()), result.values() + plane * out,
                   index.as<std::int64_t>() + plane * out);
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
