// Pooling, one thread a result: of a gradient a thread takes an input pixel and goes through the windows that have it
// as a tap, in row-major order, which is the order its contributions are added in.
#include "emulation/ops/pooling/window.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"

namespace halfscope::kernels::device::operations {
namespace {

using ops::DType;
using ops::OpKind;
using ops::pooling::WindowAxis;
using ops::pooling::Windows;

/// Calls tap(place in the plane) for the taps of window (row, column) inside the input, in row-major order.
template <typename Tap>
__device__ void for_each_tap(const Windows &windows, std::int64_t row, std::int64_t column, Tap tap) {
    const WindowAxis &rows = windows.rows, &columns = windows.columns;
    for (std::int64_t i = rows.first_tap(row); i < rows.last_tap(row); ++i)
        for (std::int64_t j = columns.first_tap(column); j < columns.last_tap(column); ++j)
            tap(rows.position(row, i) * columns.input + columns.position(column, j));
}

/// Calls window(row, column) for the windows that have input pixel (y, x) as a tap, in row-major order.
template <typename Window>
__device__ void for_each_window(const Windows &windows, std::int64_t y, std::int64_t x, Window window) {
    const WindowAxis &rows = windows.rows, &columns = windows.columns;
    for (std::int64_t row = rows.first_reaching(y); row < rows.last_reaching(y); ++row) {
        if (!rows.reaches(row, y)) continue;
        for (std::int64_t column = columns.first_reaching(x); column < columns.last_reaching(x); ++column)
            if (columns.reaches(column, x)) window(row, column);
    }
}

/// What a window's sum is divided by.
__device__ float divisor(const Windows &windows, bool count_padding, std::int64_t row, std::int64_t column) {
    const WindowAxis &rows = windows.rows, &columns = windows.columns;
    if (count_padding) return static_cast<float>(rows.counted_taps(row) * columns.counted_taps(column));
    const std::int64_t height = rows.last_tap(row) - rows.first_tap(row);
    const std::int64_t width = columns.last_tap(column) - columns.first_tap(column);
    return static_cast<float>(height > 0 && width > 0 ? height * width : 0);
}

__global__ void max_kernel(Windows windows, Operand x, Stored y, std::int64_t *index, std::int64_t count) {
    const std::int64_t out = windows.output_plane(), in = windows.input_plane();
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t plane = i / out, inside = i % out;
        float best = -HUGE_VALF;
        std::int64_t winner = -1;
        for_each_tap(windows, inside / windows.columns.output, inside % windows.columns.output, [&](std::int64_t at) {
            const float value = x.at(plane * in + at);
            if (!(value > best || isnan(value) || winner < 0)) return;
            best = value;
            winner = at;
        });
        y.put(i, best);
        index[i] = winner;
    }
}

/// Winners that are no tap of their window: such an index did not come from max_kernel.
__global__ void strangers_kernel(Windows windows, const std::int64_t *index, unsigned *found, std::int64_t count) {
    const std::int64_t out = windows.output_plane();
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t winner = index[i], inside = i % out;
        if (winner < 0) continue;
        const bool tap = winner < windows.input_plane() &&
                         windows.rows.reaches(inside / windows.columns.output, winner / windows.columns.input) &&
                         windows.columns.reaches(inside % windows.columns.output, winner % windows.columns.input);
        if (!tap) atomicOr(found, 1u);
    }
}

__global__ void max_gradient_kernel(Windows windows, Operand dy, const std::int64_t *index, Stored dx,
                                    std::int64_t count) {
    const std::int64_t out = windows.output_plane(), in = windows.input_plane();
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t plane = i / in, pixel = i % in;
        float sum = 0;
        for_each_window(windows, pixel / windows.columns.input, pixel % windows.columns.input,
                        [&](std::int64_t row, std::int64_t column) {
                            const std::int64_t at = plane * out + row * windows.columns.output + column;
                            if (index[at] == pixel) sum = __fadd_rn(sum, dy.at(at));
                        });
        dx.put(i, sum);
    }
}

__global__ void average_kernel(Windows windows, bool count_padding, Operand x, Stored y, std::int64_t count) {
    const std::int64_t out = windows.output_plane(), in = windows.input_plane();
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t plane = i / out, row = i % out / windows.columns.output,
                           column = i % out % windows.columns.output;
        float sum = 0;
        for_each_tap(windows, row, column, [&](std::int64_t at) { sum = __fadd_rn(sum, x.at(plane * in + at)); });
        y.put(i, __fdiv_rn(sum, divisor(windows, count_padding, row, column)));
    }
}

__global__ void average_gradient_kernel(Windows windows, bool count_padding, Operand dy, Stored dx,
                                        std::int64_t count) {
    const std::int64_t out = windows.output_plane(), in = windows.input_plane();
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t plane = i / in, pixel = i % in;
        float sum = 0;
        for_each_window(windows, pixel / windows.columns.input, pixel % windows.columns.input,
                        [&](std::int64_t row, std::int64_t column) {
                            const float gradient = dy.at(plane * out + row * windows.columns.output + column);
                            sum = __fadd_rn(sum, __fdiv_rn(gradient, divisor(windows, count_padding, row, column)));
                        });
        dx.put(i, sum);
    }
}

bool floating(const ops::TensorView &view) { return readable(view) && ops::is_floating(view.dtype); }
bool indexes(const ops::TensorView &index, const ops::TensorView &values) {
    return index.dtype == DType::int64 && index.shape == values.shape;
}

bool run_max(const ops::KernelCall &call) {
    if (call.inputs.size() != 1 || call.outputs.size() != 2 || !floating(call.inputs[0]) ||
        !floating(call.outputs[0]) || !indexes(call.outputs[1], call.outputs[0]))
        return false;
    const Windows windows = ops::pooling::windows_of(call, call.inputs[0].shape, call.outputs[0].shape);
    const std::int64_t count = call.outputs[0].shape.elements();
    if (count == 0) return true;
    const Result y(call, 0);
    launch("max pool kernel", max_kernel, elementwise_grid(count), elementwise_block, windows, Operand(call.inputs[0]),
           y.stored(), call.outputs[1].as<std::int64_t>(), count);
    y.leave();
    return true;
}

bool run_max_gradient(const ops::KernelCall &call) {
    if (call.inputs.size() != 2 || call.outputs.size() != 1 || !floating(call.inputs[0]) ||
        !floating(call.outputs[0]) || !indexes(call.inputs[1], call.inputs[0]))
        return false;
    const ops::TensorView &dy = call.inputs[0];
    const Windows windows = ops::pooling::windows_of(call, call.outputs[0].shape, dy.shape);
    const std::int64_t count = call.outputs[0].shape.elements(), winners = dy.shape.elements();
    const auto *index = call.inputs[1].as<const std::int64_t>();
    if (count == 0 || winners == 0) return false;
    const DeviceArray<unsigned> found(1);
    check(cudaMemset(found.data(), 0, sizeof(unsigned)), "cudaMemset");
    launch("max pool index kernel", strangers_kernel, elementwise_grid(winners), elementwise_block, windows, index,
           found.data(), winners);
    unsigned strangers = 0;
    found.download(&strangers);
    if (strangers != 0) return false;
    const Result dx(call, 0);
    launch("max pool gradient kernel", max_gradient_kernel, elementwise_grid(count), elementwise_block, windows,
           Operand(dy), index, dx.stored(), count);
    dx.leave();
    return true;
}

bool run_average(const ops::KernelCall &call) {
    if (!fits(call) || call.inputs.size() != 1 || call.outputs.size() != 1) return false;
    const bool forward = call.operation.kind == OpKind::average_pool;
    const ops::TensorView &in = call.inputs[0], &out = call.outputs[0];
    const Windows windows = forward ? ops::pooling::windows_of(call, in.shape, out.shape)
                                    : ops::pooling::windows_of(call, out.shape, in.shape);
    const bool count_padding = call.operation.get<ops::Pooling>().count_include_pad;
    const std::int64_t count = out.shape.elements();
    if (count == 0) return true;
    const Result result(call, 0);
    launch(forward ? "average pool kernel" : "average pool gradient kernel",
           forward ? average_kernel : average_gradient_kernel, elementwise_grid(count), elementwise_block, windows,
           count_padding, Operand(in), result.stored(), count);
    result.leave();
    return true;
}

} // namespace

bool run_pooling(const ops::KernelCall &call) {
    if (!call.inputs.empty() && call.inputs[0].shape.rank() > 4) return false; // three spatial axes
    switch (call.operation.kind) {
    case OpKind::max_pool: return run_max(call);
    case OpKind::max_pool_gradient: return run_max_gradient(call);
    default: return run_average(call);
    }
}

} // namespace halfscope::kernels::device::operations
