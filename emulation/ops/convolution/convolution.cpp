#include "emulation/ops/kernels.h"

#include "emulation/ops/matmul/accumulate.h"

#include <vector>

namespace halfscope::ops {
namespace {

/// Geometry of one convolution; 1-D is a 2-D one of height 1.
struct Geometry {
    std::int64_t samples, groups, in_channels, out_channels; ///< channels per group
    std::int64_t in[2], out[2], kernel[2], stride[2], dilation[2], pad[2];
};

Geometry geometry_of(const KernelCall &call, const Shape &x, const Shape &w, const Shape &y) {
    const auto &attributes = call.operation.get<Convolution>();
    const int spatial = x.rank() - 2;
    if (spatial < 1 || spatial > 2 || w.rank() != x.rank() || y.rank() != x.rank())
        call.reject("needs 1 or 2 spatial axes, got input " + x.text() + ", weights " + w.text() + ", output " +
                    y.text());
    const auto entries = static_cast<std::size_t>(spatial);
    if (attributes.strides.size() != entries || attributes.dilations.size() != entries ||
        attributes.pads_begin.size() != entries || attributes.pads_end.size() != entries || attributes.groups < 1)
        call.reject("strides, dilations and pads need one entry per spatial axis");
    Geometry g{x[0], attributes.groups, w[1], w[0] / attributes.groups, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {0, 0}};
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
        const std::int64_t room =
            g.in[at] + g.pad[at] + attributes.pads_end[i] - g.dilation[at] * (g.kernel[at] - 1) - 1;
        fits = fits && room >= 0 && g.out[at] == room / g.stride[at] + 1;
    }
    if (!fits)
        call.reject("shapes do not fit: input " + x.text() + ", weights " + w.text() + ", output " + y.text() +
                    ", groups " + std::to_string(g.groups));
    return g;
}

/// Calls visit(flat kernel index, input y, input x, inside) for the taps of one output position, row-major.
template <typename Visit> void for_taps(const Geometry &g, std::int64_t oy, std::int64_t ox, const Visit &visit) {
    for (std::int64_t ky = 0; ky < g.kernel[0]; ++ky)
        for (std::int64_t kx = 0; kx < g.kernel[1]; ++kx) {
            const std::int64_t iy = oy * g.stride[0] - g.pad[0] + ky * g.dilation[0];
            const std::int64_t ix = ox * g.stride[1] - g.pad[1] + kx * g.dilation[1];
            visit(ky * g.kernel[1] + kx, iy, ix, iy >= 0 && iy < g.in[0] && ix >= 0 && ix < g.in[1]);
        }
}

template <typename C> void forward(const KernelCall &call) {
    const Geometry g = geometry_of(call, call.inputs[0].shape, call.inputs[1].shape, call.outputs[0].shape);
    const Accumulation model = call.operation.get<Convolution>().accumulation;
    std::vector<C> storage_x, storage_w, storage_b;
    const C *x = load_all<C>(call.inputs[0], storage_x, call.threads);
    const C *w = load_all<C>(call.inputs[1], storage_w, call.threads);
    const C *bias = call.inputs.size() == 3 ? load_all<C>(call.inputs[2], storage_b, call.threads) : nullptr;
    const std::int64_t taps = g.kernel[0] * g.kernel[1], in_plane = g.in[0] * g.in[1], out_plane = g.out[0] * g.out[1];
    std::vector<C> y(static_cast<std::size_t>(call.outputs[0].shape.elements()));
    call.threads.run(g.samples * g.groups * g.out_channels, [&](std::int64_t task) {
        const std::int64_t channel = task % (g.groups * g.out_channels), sample = task / (g.groups * g.out_channels);
        const std::int64_t group = channel / g.out_channels;
        for (std::int64_t pixel = 0; pixel < out_plane; ++pixel) {
            C sum = 0;
            for (std::int64_t c = 0; c < g.in_channels; ++c) {
                const C *plane = x + ((sample * g.groups + group) * g.in_channels + c) * in_plane;
                const C *weights = w + (channel * g.in_channels + c) * taps;
                for_taps(g, pixel / g.out[1], pixel % g.out[1],
                         [&](std::int64_t k, std::int64_t iy, std::int64_t ix, bool inside) {
                             sum = accumulate(model, inside ? plane[iy * g.in[1] + ix] : C(0), weights[k], sum);
                         });
            }
            y[static_cast<std::size_t>(task * out_plane + pixel)] = bias ? sum + bias[channel] : sum;
        }
    });
    store(call, 0, y.data());
}

template <typename C> void input_gradient(const KernelCall &call) {
    const Geometry g = geometry_of(call, call.outputs[0].shape, call.inputs[1].shape, call.inputs[0].shape);
    const Accumulation model = call.operation.get<Convolution>().accumulation;
    std::vector<C> storage_dy, storage_w;
    const C *dy = load_all<C>(call.inputs[0], storage_dy, call.threads);
    const C *w = load_all<C>(call.inputs[1], storage_w, call.threads);
    const std::int64_t taps = g.kernel[0] * g.kernel[1], in_plane = g.in[0] * g.in[1], out_plane = g.out[0] * g.out[1];
    std::vector<C> dx(static_cast<std::size_t>(call.outputs[0].shape.elements()));
    call.threads.run(g.samples * g.groups * g.in_channels, [&](std::int64_t task) {
        const std::int64_t channel = task % (g.groups * g.in_channels), sample = task / (g.groups * g.in_channels);
        const std::int64_t group = channel / g.in_channels, c = channel % g.in_channels;
        for (std::int64_t pixel = 0; pixel < in_plane; ++pixel) {
            C sum = 0;
            for (std::int64_t o = 0; o < g.out_channels; ++o) {
                const C *plane = dy + ((sample * g.groups + group) * g.out_channels + o) * out_plane;
                const C *weights = w + ((group * g.out_channels + o) * g.in_channels + c) * taps;
                for (std::int64_t k = 0; k < taps; ++k) {
                    const std::int64_t ny = pixel / g.in[1] + g.pad[0] - k / g.kernel[1] * g.dilation[0];
                    const std::int64_t nx = pixel % g.in[1] + g.pad[1] - k % g.kernel[1] * g.dilation[1];
                    if (ny % g.stride[0] != 0 || nx % g.stride[1] != 0) continue;
                    const std::int64_t oy = ny / g.stride[0], ox = nx / g.stride[1];
                    const bool inside = ny >= 0 && oy < g.out[0] && nx >= 0 && ox < g.out[1];
                    sum = accumulate(model, inside ? plane[oy * g.out[1] + ox] : C(0), weights[k], sum);
                }
            }
            dx[static_cast<std::size_t>(task * in_plane + pixel)] = sum;
        }
    });
    store(call, 0, dx.data());
}

/// The tree of operation.h over `n` values, at most 4096 of them.
template <typename C> C tree(const C *values, std::int64_t n) {
    C lanes[32] = {};
    for (std::int64_t i = 0; i < n; ++i) lanes[i % 32] += values[i];
    for (int width = 16; width > 0; width /= 2)
        for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
    return lanes[0];
}

template <typename C> void weight_gradient(const KernelCall &call) {
    const Geometry g = geometry_of(call, call.inputs[1].shape, call.outputs[0].shape, call.inputs[0].shape);
    const Accumulation model = call.operation.get<Convolution>().accumulation;
    std::vector<C> storage_dy, storage_x;
    const C *dy = load_all<C>(call.inputs[0], storage_dy, call.threads);
    const C *x = load_all<C>(call.inputs[1], storage_x, call.threads);
    const std::int64_t taps = g.kernel[0] * g.kernel[1], in_plane = g.in[0] * g.in[1], out_plane = g.out[0] * g.out[1];
    std::vector<C> dw(static_cast<std::size_t>(call.outputs[0].shape.elements()));
    call.threads.run(g.groups * g.out_channels * g.in_channels, [&](std::int64_t task) {
        const std::int64_t channel = task / g.in_channels, c = task % g.in_channels, group = channel / g.out_channels;
        for (std::int64_t k = 0; k < taps; ++k) {
            std::vector<C> chunks;
            C sum = 0;
            const std::int64_t pixels = g.samples * out_plane;
            for (std::int64_t p = 0; p < pixels; ++p) {
                const std::int64_t sample = p / out_plane, pixel = p % out_plane;
                const std::int64_t iy = pixel / g.out[1] * g.stride[0] - g.pad[0] + k / g.kernel[1] * g.dilation[0];
                const std::int64_t ix = pixel % g.out[1] * g.stride[1] - g.pad[1] + k % g.kernel[1] * g.dilation[1];
                const bool inside = iy >= 0 && iy < g.in[0] && ix >= 0 && ix < g.in[1];
                const C *plane = x + ((sample * g.groups + group) * g.in_channels + c) * in_plane;
                const C value = inside ? plane[iy * g.in[1] + ix] : C(0);
                sum = accumulate(model, dy[(sample * g.groups * g.out_channels + channel) * out_plane + pixel], value,
                                 sum);
                if (p % 1024 == 1023 || p == pixels - 1) {
                    chunks.push_back(sum);
                    sum = 0;
                }
            }
            std::vector<C> roots;
            const auto n = static_cast<std::int64_t>(chunks.size());
            for (std::int64_t first = 0; first < n; first += 4096)
                roots.push_back(tree(chunks.data() + first, std::min<std::int64_t>(4096, n - first)));
            const auto count = static_cast<std::int64_t>(roots.size());
            dw[static_cast<std::size_t>(task * taps + k)] = count == 1 ? roots[0] : tree(roots.data(), count);
        }
    });
    store(call, 0, dw.data());
}

template <typename C> void run(const KernelCall &call) {
    if (call.inputs.size() < 2 || call.inputs.size() > 3 || call.outputs.size() != 1)
        call.reject("takes 2 or 3 operands and leaves 1 result");
    for (const TensorView &view : call.inputs)
        if (!is_floating(view.dtype)) call.reject("operands must be floating, got " + std::string(name_of(view.dtype)));
    require_available(call, call.operation.get<Convolution>().accumulation);
    switch (call.operation.kind) {
    case OpKind::convolution_input_gradient: input_gradient<C>(call); break;
    case OpKind::convolution_weight_gradient: weight_gradient<C>(call); break;
    default: forward<C>(call); break;
    }
}

} // namespace

void run_convolution(const KernelCall &call) {
    if (call.in_fp64())
        run<double>(call);
    else
        run<float>(call);
}

} // namespace halfscope::ops
