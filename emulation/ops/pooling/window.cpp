#include "emulation/ops/pooling/window.h"

namespace halfscope::ops::pooling {
namespace {

WindowAxis axis_of(const KernelCall &call, const Pooling &pooling, std::size_t spatial, std::int64_t input,
                   std::int64_t output) {
    const auto entry = [&](const std::vector<std::int64_t> &values, std::int64_t absent) {
        return values.empty() ? absent : values[spatial];
    };
    WindowAxis axis;
    axis.input = input;
    axis.output = output;
    axis.kernel = pooling.kernel[spatial];
    axis.stride = entry(pooling.strides, 1);
    axis.dilation = entry(pooling.dilations, 1);
    axis.pad_begin = entry(pooling.pads_begin, 0);
    const std::int64_t pad_end = entry(pooling.pads_end, 0);
    axis.counted_end = input + pad_end - entry(pooling.ceil_extra, 0);
    if (axis.kernel < 1 || axis.stride < 1 || axis.dilation < 1 || axis.pad_begin < 0 || pad_end < 0)
        call.reject("kernel, strides and dilations must be at least 1 and pads at least 0");
    const std::int64_t room = input + axis.pad_begin + pad_end - (axis.kernel - 1) * axis.dilation - 1;
    const std::int64_t expected = room < 0 ? 0 : room / axis.stride + 1;
    if (expected != output)
        call.reject("spatial axis " + std::to_string(spatial) + " of size " + std::to_string(input) + " pools to " +
                    std::to_string(expected) + " positions, not " + std::to_string(output));
    return axis;
}

} // namespace

Windows windows_of(const KernelCall &call, const Shape &input, const Shape &output) {
    const auto &pooling = call.operation.get<Pooling>();
    const int spatial = input.rank() - 2;
    if (spatial < 1 || spatial > 3 || output.rank() != input.rank() || input[0] != output[0] || input[1] != output[1])
        call.reject("needs [N, C, length], [N, C, height, width] or [N, C, depth, height, width], got input " +
                    input.text() + " and output " + output.text());
    const auto fits = [&](const std::vector<std::int64_t> &values, bool optional) {
        return (optional && values.empty()) || values.size() == static_cast<std::size_t>(spatial);
    };
    if (!fits(pooling.kernel, false) || !fits(pooling.strides, true) || !fits(pooling.dilations, true) ||
        !fits(pooling.pads_begin, true) || !fits(pooling.pads_end, true) || !fits(pooling.ceil_extra, true))
        call.reject("kernel, strides, dilations and pads need one entry per spatial axis");
    Windows windows;
    windows.planes = input[0] * input[1];
    WindowAxis *axes[] = {&windows.depths, &windows.rows, &windows.columns}; // the last ones are there
    for (int axis = 0; axis < spatial; ++axis)
        *axes[3 - spatial + axis] =
            axis_of(call, pooling, static_cast<std::size_t>(axis), input[axis + 2], output[axis + 2]);
    return windows;
}

} // namespace halfscope::ops::pooling
