#include "emulation/ops/convolution/geometry.h"

namespace halfscope::ops {

ConvolutionGeometry geometry_of(const KernelCall &call, const Shape &x, const Shape &w, const Shape &y) {
    const auto &attributes = call.operation.get<Convolution>();
    const int spatial = x.rank() - 2;
    if (spatial < 1 || spatial > 2 || w.rank() != x.rank() || y.rank() != x.rank())
        call.reject("needs 1 to 3 spatial axes, got input " + x.text() + ", weights " + w.text() + ", output " +
                    y.text());
    const auto entries = static_cast<std::size_t>(spatial);
    if (attributes.strides.size() != entries || attributes.dilations.size() != entries ||
        attributes.pads_begin.size() != entries || attributes.pads_end.size() != entries || attributes.groups < 1)
        call.reject("strides, dilations and pads need one entry per spatial axis");
    ConvolutionGeometry g;
    g.samples = x[0];
    g.groups = attributes.groups;
    g.in_channels = w[1];
    g.out_channels = w[0] / g.groups;
    bool fits = x[1] == g.in_channels * g.groups && w[0] == y[1] && w[0] % g.groups == 0 && x[0] == y[0];
    for (int axis = 0; axis < spatial; ++axis) {
        const int at = axis + 2 - spatial;
        const auto i = static_cast<std::size_t>(axis);
        g.in[at] = x[axis + 2];
        g.out[at] = y[axis + 2];
        g.kernel[at] = w[axis + 2];
        g.stride[at] = attributes.strides[i];
        g.dilation[at] = attributes.dilations[i];
        g.pad[at] = attributes.pads_begin[i];
        if (g.stride[at] < 1 || g.dilation[at] < 1) call.reject("strides and dilations must be positive");
        if (g.pad[at] < 0 || attributes.pads_end[i] < 0) call.reject("pads must not be negative");
        const std::int64_t room =
            g.in[at] + g.pad[at] + attributes.pads_end[i] - g.dilation[at] * (g.kernel[at] - 1) - 1;
        fits = fits && room >= 0 && g.out[at] == room / g.stride[at] + 1;
    }
    if (!fits)
        call.reject("shapes do not fit: input " + x.text() + ", weights " + w.text() + ", output " + y.text() +
                    ", groups " + std::to_string(g.groups));
    return g;
}

} // namespace halfscope::ops
