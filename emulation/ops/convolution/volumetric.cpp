#include "emulation/ops/convolution/volumetric.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

namespace halfscope::ops {
namespace {

/// The outermost spatial axis.
struct Depth {
    std::int64_t in, out, kernel, stride, dilation, pad;

    /// Input depth that tap k of output depth o reads; negative: padding.
    [[nodiscard]] std::int64_t read(std::int64_t o, std::int64_t k) const {
        const std::int64_t at = o * stride - pad + k * dilation;
        return at < in ? at : -1;
    }
    /// Output depth whose tap k reads input depth i; negative: none, an output outside.
    [[nodiscard]] std::int64_t reader(std::int64_t i, std::int64_t k) const {
        const std::int64_t at = i + pad - k * dilation;
        return at >= 0 && at / stride < out ? at / stride : -1;
    }
};

Depth depth_of(const KernelCall &call, const Shape &x, const Shape &w, const Shape &y) {
    const auto &window = call.operation.get<Convolution>();
    if (w.rank() != 5 || y.rank() != 5)
        call.reject("needs three spatial axes everywhere, got input " + x.text() + ", weights " + w.text() +
                    ", output " + y.text());
    if (window.strides.size() != 3 || window.dilations.size() != 3 || window.pads_begin.size() != 3 ||
        window.pads_end.size() != 3)
        call.reject("strides, dilations and pads need one entry per spatial axis");
    const Depth depth{x[2], y[2], w[2], window.strides[0], window.dilations[0], window.pads_begin[0]};
    if (depth.stride < 1 || depth.dilation < 1 || depth.pad < 0 || window.pads_end[0] < 0)
        call.reject("strides and dilations must be positive, pads not negative");
    const std::int64_t room = depth.in + depth.pad + window.pads_end[0] - depth.dilation * (depth.kernel - 1) - 1;
    if (room < 0 || depth.out != room / depth.stride + 1 || w[0] % std::max<std::int64_t>(1, window.groups) != 0)
        call.reject("shapes do not fit: input " + x.text() + ", weights " + w.text() + ", output " + y.text());
    return depth;
}

using Indices = std::vector<std::int64_t>;

Indices all_of(std::int64_t count) {
    Indices indices(static_cast<std::size_t>(count));
    std::iota(indices.begin(), indices.end(), std::int64_t{0});
    return indices;
}

/// [N, C, D, H, W] -> [N * depths, C * taps, H, W]: sample (n, i), channel (c, k) is plane source(depths[i], taps[k]),
/// or +0 where that is negative.
template <typename Source>
HostTensor folded(const KernelCall &call, const TensorView &from, const Indices &depths, const Indices &taps,
                  const Source &source) {
    const Shape &s = from.shape;
    const auto deep = static_cast<std::int64_t>(depths.size()), reach = static_cast<std::int64_t>(taps.size());
    HostTensor to(from.dtype, Shape{s[0] * deep, s[1] * reach, s[3], s[4]});
    const std::size_t plane = static_cast<std::size_t>(s[3] * s[4]) * size_of(from.dtype);
    const auto *first = static_cast<const std::byte *>(from.data);
    call.threads.run(s[0] * deep, [&](std::int64_t sample) {
        const std::int64_t n = sample / deep;
        std::byte *out = to.bytes.data() + static_cast<std::size_t>(sample * s[1] * reach) * plane;
        for (std::int64_t c = 0; c < s[1]; ++c)
            for (const std::int64_t tap : taps) {
                const std::int64_t at = source(depths[static_cast<std::size_t>(sample % deep)], tap);
                if (at >= 0 && plane > 0)
                    std::memcpy(out, first + static_cast<std::size_t>((n * s[1] + c) * s[2] + at) * plane, plane);
                out += plane; // a HostTensor begins as zeros
            }
    });
    return to;
}

/// [N * depths, C, H, W] into depths[i] of [N, C, D, H, W].
template <typename C>
void unfold(const HostTensor &from, const Indices &depths, const Shape &to_shape, std::vector<C> &to) {
    const auto deep = static_cast<std::int64_t>(depths.size());
    const std::int64_t plane = to_shape[3] * to_shape[4], channels = to_shape[1];
    const C *next = from.as<C>().data();
    for (std::int64_t sample = 0; sample < to_shape[0] * deep; ++sample)
        for (std::int64_t c = 0; c < channels; ++c, next += plane) {
            const std::int64_t at =
                ((sample / deep * channels + c) * to_shape[2] + depths[static_cast<std::size_t>(sample % deep)]) *
                plane;
            std::copy_n(next, plane, to.begin() + at);
        }
}

/// Weights [O, I, D, H, W] -> [O * taps, I, H, W] with the given taps along depth.
HostTensor tap_weights(const TensorView &w, const Indices &taps) {
    const Shape &s = w.shape;
    HostTensor to(w.dtype, Shape{s[0] * static_cast<std::int64_t>(taps.size()), s[1], s[3], s[4]});
    const std::size_t plane = static_cast<std::size_t>(s[3] * s[4]) * size_of(w.dtype);
    const auto *first = static_cast<const std::byte *>(w.data);
    std::byte *out = to.bytes.data();
    for (std::int64_t o = 0; o < s[0]; ++o)
        for (const std::int64_t tap : taps)
            for (std::int64_t i = 0; i < s[1]; ++i, out += plane)
                if (plane > 0)
                    std::memcpy(out, first + static_cast<std::size_t>((o * s[1] + i) * s[2] + tap) * plane, plane);
    return to;
}

template <typename C> class Volumetric {
  public:
    Volumetric(const KernelCall &call, const PlanarConvolution &planar) : call_(call), planar_(planar) {
        operation_ = call.operation;
        operation_.rounding = {};
        auto &window = std::get<Convolution>(operation_.attributes);
        for (auto *list : {&window.strides, &window.dilations, &window.pads_begin, &window.pads_end})
            if (list->size() == 3) list->erase(list->begin());
    }

    void forward() {
        const TensorView &x = call_.inputs[0], &w = call_.inputs[1], &y = call_.outputs[0];
        const Depth depth = depth_of(call_, x.shape, w.shape, y.shape);
        const Indices depths = all_of(depth.out);
        HostTensor columns = under_taps(x, depth);
        // [O, I, kernel z, y, x] is [O, I * kernel z, y, x] as it lies.
        const TensorView weights{w.data, w.dtype, flat_weights(w.shape)};
        std::vector<TensorView> inputs{columns.view(), weights};
        if (call_.inputs.size() == 3) inputs.push_back(call_.inputs[2]);
        const HostTensor result = run(inputs, Shape{y.shape[0] * depth.out, y.shape[1], y.shape[3], y.shape[4]});
        leave(result, depths);
    }

    /// Depth by depth of one remainder: the taps that the stride puts on them are the same.
    void input_gradient() {
        const TensorView &dy = call_.inputs[0], &w = call_.inputs[1], &dx = call_.outputs[0];
        const Depth depth = depth_of(call_, dx.shape, w.shape, dy.shape);
        values_.assign(static_cast<std::size_t>(dx.shape.elements()), C(0));
        for (std::int64_t remainder = 0; remainder < depth.stride; ++remainder) {
            Indices depths, taps;
            for (std::int64_t i = 0; i < depth.in; ++i)
                if ((i + depth.pad) % depth.stride == remainder) depths.push_back(i);
            for (std::int64_t k = 0; k < depth.kernel; ++k)
                if (k * depth.dilation % depth.stride == remainder) taps.push_back(k);
            if (depths.empty() || taps.empty()) continue;
            HostTensor gradients =
                folded(call_, dy, depths, taps, [&](std::int64_t i, std::int64_t k) { return depth.reader(i, k); });
            HostTensor weights = tap_weights(w, taps);
            const HostTensor result =
                run({gradients.view(), weights.view()}, Shape{dx.shape[0] * static_cast<std::int64_t>(depths.size()),
                                                              dx.shape[1], dx.shape[3], dx.shape[4]});
            unfold(result, depths, dx.shape, values_);
        }
        store(call_, 0, values_.data());
    }

    void weight_gradient() {
        const TensorView &dy = call_.inputs[0], &x = call_.inputs[1], &dw = call_.outputs[0];
        const Depth depth = depth_of(call_, x.shape, dw.shape, dy.shape);
        const Indices depths = all_of(depth.out);
        HostTensor columns = under_taps(x, depth);
        HostTensor gradients = folded(call_, dy, depths, {0}, [](std::int64_t o, std::int64_t) { return o; });
        const HostTensor result = run({gradients.view(), columns.view()}, flat_weights(dw.shape));
        store(call_, 0, result.template as<C>().data());
    }

  private:
    /// What the taps of every output depth read.
    [[nodiscard]] HostTensor under_taps(const TensorView &x, const Depth &depth) const {
        return folded(call_, x, all_of(depth.out), all_of(depth.kernel),
                      [&](std::int64_t o, std::int64_t k) { return depth.read(o, k); });
    }

    static Shape flat_weights(const Shape &w) { return {w[0], w[1] * w[2], w[3], w[4]}; }

    HostTensor run(const std::vector<TensorView> &inputs, const Shape &shape) {
        HostTensor result(std::is_same_v<C, double> ? DType::fp64 : DType::fp32, shape);
        const TensorView out = result.view();
        planar_({operation_, inputs, {&out, 1}, {}, {}, call_.threads});
        return result;
    }

    void leave(const HostTensor &result, const Indices &depths) {
        values_.resize(static_cast<std::size_t>(call_.outputs[0].shape.elements()));
        unfold(result, depths, call_.outputs[0].shape, values_);
        store(call_, 0, values_.data());
    }

    const KernelCall &call_;
    const PlanarConvolution &planar_;
    Operation operation_;
    std::vector<C> values_;
};

} // namespace

template <typename C> void run_volumetric(const KernelCall &call, const PlanarConvolution &planar) {
    Volumetric<C> volumetric(call, planar);
    switch (call.operation.kind) {
    case OpKind::convolution_input_gradient: return volumetric.input_gradient();
    case OpKind::convolution_weight_gradient: return volumetric.weight_gradient();
    default: return volumetric.forward();
    }
}

template void run_volumetric<float>(const KernelCall &, const PlanarConvolution &);
template void run_volumetric<double>(const KernelCall &, const PlanarConvolution &);

} // namespace halfscope::ops
