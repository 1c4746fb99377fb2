// Matrix products, convolutions and pooling windows.
#include "emulation/model/shapes/rules.h"

#include <fmt/format.h>

namespace halfscope::model::shapes {
namespace {

using ops::DType;
using ops::OpKind;

/// Output size along one axis of a sliding window, or a rejection when not even one window fits.
std::int64_t window_size(const InferenceRequest &request, std::int64_t size, std::int64_t kernel, std::int64_t stride,
                         std::int64_t dilation, std::int64_t pad_begin, std::int64_t pad_end) {
    if (kernel < 1 || stride < 1 || dilation < 1) request.reject("kernel, strides and dilations must be positive");
    const std::int64_t room = size + pad_begin + pad_end - ((kernel - 1) * dilation + 1);
    if (room < 0) request.reject(fmt::format("a window of {} does not fit into {}", kernel, size));
    return room / stride + 1;
}

void require_axes(const InferenceRequest &request, std::size_t axes,
                  std::initializer_list<const std::vector<std::int64_t> *> lists) {
    for (const auto *list : lists)
        if (list->size() != axes)
            request.reject(fmt::format("kernel, strides, dilations and pads need {} entries", axes));
}

std::size_t spatial_axes(const InferenceRequest &request, const ops::Shape &shape) {
    if (shape.rank() < 3 || shape.rank() > 5)
        request.reject("it works on [batch, channels, length], [..., height, width] or [..., depth, height, width]");
    return static_cast<std::size_t>(shape.rank() - 2);
}

/// Shape of convolution(x, w); rejects when x and w do not fit.
ops::Shape convolved(const InferenceRequest &request, const ops::Shape &x, const ops::Shape &w) {
    const auto &window = request.operation.get<ops::Convolution>();
    const std::size_t axes = spatial_axes(request, x);
    require_axes(request, axes, {&window.strides, &window.dilations, &window.pads_begin, &window.pads_end});
    if (w.rank() != x.rank()) request.reject("its filter must have as many axes as its input");
    if (window.groups < 1 || x[1] != w[1] * window.groups || w[0] % window.groups != 0)
        request.reject(
            fmt::format("{} input channels in {} groups do not fit a filter {}", x[1], window.groups, w.text()));
    ops::Shape out{x[0], w[0]};
    for (std::size_t i = 0; i < axes; ++i) {
        const int axis = static_cast<int>(i) + 2;
        out.append(window_size(request, x[axis], w[axis], window.strides[i], window.dilations[i], window.pads_begin[i],
                               window.pads_end[i]));
    }
    return out;
}

} // namespace

Results matmul(const InferenceRequest &request) {
    const auto &attributes = request.operation.get<ops::Matmul>();
    const ops::Shape &a = request.operands[0].shape, &b = request.operands[1].shape;
    if (a.rank() < 2 || b.rank() < 2) request.reject("its operands must have at least two axes");
    const int last_a = a.rank() - 1, last_b = b.rank() - 1;
    const std::int64_t m = a[attributes.transpose_a ? last_a : last_a - 1];
    const std::int64_t k = a[attributes.transpose_a ? last_a - 1 : last_a];
    const std::int64_t other_k = b[attributes.transpose_b ? last_b : last_b - 1];
    const std::int64_t n = b[attributes.transpose_b ? last_b - 1 : last_b];
    if (k != other_k) request.reject(fmt::format("inner sizes {} and {} differ", k, other_k));
    const auto batch = broadcast(ops::Shape(a.sizes().first(static_cast<std::size_t>(last_a - 1))),
                                 ops::Shape(b.sizes().first(static_cast<std::size_t>(last_b - 1))));
    if (!batch) request.reject("leading axes do not broadcast");
    ops::Shape out = *batch;
    out.append(m);
    out.append(n);
    if (request.operands.size() == 3) {
        const auto with_bias = broadcast(out, request.operands[2].shape);
        if (!with_bias || *with_bias != out) request.reject("its bias does not broadcast to " + out.text());
    }
    return {{floating_result(request), out}};
}

Results convolution(const InferenceRequest &request) {
    const ops::Shape &first = request.operands[0].shape, &second = request.operands[1].shape;
    switch (request.operation.kind) {
    case OpKind::convolution_input_gradient: {
        const ops::Shape &dx = stated_shape(request);
        if (convolved(request, dx, second) != first)
            request.reject("an input of shape " + dx.text() + " does not give this output");
        return {{floating_result(request), dx}};
    }
    case OpKind::convolution_weight_gradient: {
        const ops::Shape &dw = stated_shape(request);
        if (convolved(request, second, dw) != first)
            request.reject("a filter of shape " + dw.text() + " does not give this output");
        return {{floating_result(request), dw}};
    }
    default: break;
    }
    const ops::Shape out = convolved(request, first, second);
    if (request.operands.size() == 3) require_shape(request, 2, ops::Shape{second[0]}, "bias");
    return {{floating_result(request), out}};
}

Results pooling(const InferenceRequest &request) {
    const Operand &x = request.operands[0];
    const OpKind kind = request.operation.kind;
    if (kind == OpKind::resize_nearest || kind == OpKind::resize_nearest_gradient) {
        const ops::Shape &out = stated_shape(request);
        spatial_axes(request, x.shape);
        if (out.rank() != x.shape.rank() || out[0] != x.shape[0] || out[1] != x.shape[1])
            request.reject("only the spatial axes can be resized, not to " + out.text());
        return {{result_like(request, x.dtype), out}};
    }
    const auto &window = request.operation.get<ops::Pooling>();
    const bool gradient = kind == OpKind::max_pool_gradient || kind == OpKind::average_pool_gradient;
    const ops::Shape &large = gradient ? stated_shape(request) : x.shape;
    const std::size_t axes = spatial_axes(request, large);
    require_axes(request, axes,
                 {&window.kernel, &window.strides, &window.dilations, &window.pads_begin, &window.pads_end});
    ops::Shape small{large[0], large[1]};
    for (std::size_t i = 0; i < axes; ++i)
        small.append(window_size(request, large[static_cast<int>(i) + 2], window.kernel[i], window.strides[i],
                                 window.dilations[i], window.pads_begin[i], window.pads_end[i]));
    const DType dtype = result_like(request, x.dtype);
    if (gradient) {
        if (x.shape != small) request.reject("an input of shape " + large.text() + " does not pool to this output");
        if (kind == OpKind::max_pool_gradient) {
            require_shape(request, 1, small, "index");
            require_int64(request, 1, "index");
        }
        return {{dtype, large}};
    }
    if (kind == OpKind::average_pool) return {{dtype, small}};
    return {{dtype, small}, {DType::int64, small, true, "indices"}};
}

} // namespace halfscope::model::shapes
