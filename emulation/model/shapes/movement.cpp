// Gathers, data movement, dropout, and the operations of the optimizer step.
#include "emulation/model/shapes/rules.h"

#include <fmt/format.h>

namespace halfscope::model::shapes {
namespace {

using ops::DType;
using ops::OpKind;

/// Exact movement keeps its operand's storage type: a conversion is a cast, a node of its own.
DType unchanged_type(const InferenceRequest &request) {
    const DType dtype = request.operands[0].dtype;
    if (request.output_dtype && *request.output_dtype != dtype)
        request.reject("it keeps its operand's storage type; insert a cast");
    return dtype;
}

ops::Shape gathered(const InferenceRequest &request, const ops::Shape &data, const ops::Shape &indices, int axis) {
    if (axis < 0 || axis >= data.rank()) request.reject(fmt::format("axis {} is outside {}", axis, data.text()));
    ops::Shape out;
    for (int i = 0; i < data.rank(); ++i) {
        if (i != axis)
            out.append(data[i]);
        else
            for (std::int64_t size : indices.sizes()) out.append(size);
    }
    return out;
}

void require_elements_fit(const InferenceRequest &request, const ops::Shape &data, const ops::Shape &indices,
                          int axis) {
    if (data.rank() != indices.rank() || axis < 0 || axis >= data.rank())
        request.reject("data and indices must have as many axes, the axis among them");
    for (int i = 0; i < data.rank(); ++i)
        if (i != axis && indices[i] > data[i]) request.reject("its indices are larger than its data off the axis");
}

ops::Shape sliced(const InferenceRequest &request, const ops::Shape &x) {
    const auto &slice = request.operation.get<ops::Slice>();
    const auto rank = static_cast<std::size_t>(x.rank());
    if (slice.starts.size() != rank || slice.ends.size() != rank || slice.steps.size() != rank)
        request.reject("starts, ends and steps need one entry per axis");
    ops::Shape out;
    for (std::size_t i = 0; i < rank; ++i) {
        const std::int64_t size = x[static_cast<int>(i)], start = slice.starts[i], end = slice.ends[i],
                           step = slice.steps[i];
        if (step == 0) request.reject("a step may not be 0");
        const std::int64_t reach = step > 0 ? end - start : start - end;
        const std::int64_t stride = step > 0 ? step : -step;
        const std::int64_t count = reach <= 0 ? 0 : (reach + stride - 1) / stride;
        if (count > 0) {
            const std::int64_t last = start + (count - 1) * step;
            if (start < 0 || start >= size || last < 0 || last >= size)
                request.reject(fmt::format("the slice leaves axis {}", i));
        }
        out.append(count);
    }
    return out;
}

ops::Shape concatenated(const InferenceRequest &request) {
    const int axis = checked_axis(request, 0);
    ops::Shape out = request.operands[0].shape;
    for (const Operand &operand : request.operands.subspan(1)) {
        ops::Shape other = operand.shape;
        if (other.rank() != out.rank()) request.reject("its operands have different numbers of axes");
        out[axis] += other[axis];
        other[axis] = out[axis];
        if (other != out) request.reject("its operands differ off the axis");
    }
    return out;
}

DType concatenated_type(const InferenceRequest &request) {
    if (ops::is_floating(request.operands[0].dtype)) return floating_result(request);
    for (const Operand &operand : request.operands)
        if (operand.dtype != request.operands[0].dtype) request.reject("its operands mix storage types");
    return request.operands[0].dtype;
}

} // namespace

Results indexing(const InferenceRequest &request) {
    const ops::Shape &first = request.operands[0].shape;
    const int axis = request.operation.get<ops::Axis>().axis;
    switch (request.operation.kind) {
    case OpKind::one_hot: {
        require_int64(request, 0, "indices");
        const ops::Shape &out = stated_shape(request);
        if (axis < 0 || axis >= out.rank() || out.rank() != first.rank() + 1 ||
            gathered(request, out, ops::Shape{}, axis) != first)
            request.reject("its result " + out.text() + " must be the indices' shape with one axis put in");
        return {{result_like(request, DType::fp32), out}};
    }
    case OpKind::gather:
        require_int64(request, 1, "indices");
        return {{unchanged_type(request), gathered(request, first, request.operands[1].shape, axis)}};
    case OpKind::gather_gradient:
        require_int64(request, 1, "indices");
        require_shape(request, 0, gathered(request, stated_shape(request), request.operands[1].shape, axis),
                      "output gradient");
        return {{result_like(request, request.operands[0].dtype), stated_shape(request)}};
    case OpKind::gather_elements:
        require_int64(request, 1, "indices");
        require_elements_fit(request, first, request.operands[1].shape, axis);
        return {{unchanged_type(request), request.operands[1].shape}};
    default: // gather_elements_gradient
        require_int64(request, 1, "indices");
        require_shape(request, 0, request.operands[1].shape, "output gradient");
        require_elements_fit(request, stated_shape(request), request.operands[1].shape, axis);
        return {{result_like(request, request.operands[0].dtype), stated_shape(request)}};
    }
}

Results movement(const InferenceRequest &request) {
    const ops::Shape &x = request.operands[0].shape;
    switch (request.operation.kind) {
    case OpKind::transpose: {
        const auto &order = request.operation.get<ops::Permutation>().order;
        ops::Shape out;
        unsigned seen = 0;
        for (int axis : order) {
            if (axis < 0 || axis >= x.rank() || (seen >> axis & 1u)) request.reject("its order is not a permutation");
            seen |= 1u << axis;
            out.append(x[axis]);
        }
        if (out.rank() != x.rank()) request.reject("its order is not a permutation");
        return {{unchanged_type(request), out}};
    }
    case OpKind::reshape:
        if (stated_shape(request).elements() != x.elements())
            request.reject("it cannot become " + request.output_shape->text());
        return {{unchanged_type(request), *request.output_shape}};
    case OpKind::expand: {
        const auto out = broadcast(x, stated_shape(request));
        if (!out || *out != *request.output_shape)
            request.reject("it does not broadcast to " + request.output_shape->text());
        return {{unchanged_type(request), *out}};
    }
    case OpKind::concat: return {{concatenated_type(request), concatenated(request)}};
    case OpKind::slice: return {{unchanged_type(request), sliced(request, x)}};
    case OpKind::slice_gradient:
        require_shape(request, 0, sliced(request, stated_shape(request)), "output gradient");
        return {{unchanged_type(request), *request.output_shape}};
    case OpKind::pad: {
        const auto &pads = request.operation.get<ops::Slice>();
        const auto rank = static_cast<std::size_t>(x.rank());
        if (pads.starts.size() != rank || pads.ends.size() != rank) request.reject("pads need one entry per axis");
        ops::Shape out;
        for (std::size_t i = 0; i < rank; ++i) {
            if (pads.starts[i] < 0 || pads.ends[i] < 0) request.reject("a negative pad is a slice");
            out.append(x[static_cast<int>(i)] + pads.starts[i] + pads.ends[i]);
        }
        return {{unchanged_type(request), out}};
    }
    default: // trilu
        if (x.rank() < 2) request.reject("it works on matrices");
        return {{unchanged_type(request), x}};
    }
}

Results random(const InferenceRequest &request) {
    switch (request.operation.kind) {
    case OpKind::dropout:
        return {{floating_result(request), request.operands[0].shape},
                {DType::boolean, request.operands[0].shape, true, "mask"}};
    case OpKind::dropout_gradient:
        require_shape(request, 1, request.operands[0].shape, "mask");
        return {{floating_result(request), request.operands[0].shape}};
    case OpKind::random_uniform:
    case OpKind::random_normal: return {{floating_result(request), request.operands[0].shape}};
    default: // fill
        return {{result_like(request, DType::fp32), stated_shape(request)}};
    }
}

Results training(const InferenceRequest &request) {
    const Operand &first = request.operands[0];
    if (request.operation.kind == OpKind::unscale_check) {
        if (request.operands.back().shape.elements() != 1) request.reject("its inverse scale must be a scalar");
        Results all;
        for (std::size_t i = 0; i + 1 < request.operands.size(); ++i)
            all.push_back({result_like(request, request.operands[i].dtype), request.operands[i].shape});
        all.push_back({DType::fp32, ops::Shape{}, true, "found_inf"});
        return all;
    }
    // Weight, then state: each operand but the gradient comes back updated, in its own storage type.
    Results all;
    for (std::size_t i = 0; i < request.operands.size(); ++i) {
        require_shape(request, i, first.shape, "gradient and state");
        if (i != 1) all.push_back({request.operands[i].dtype, first.shape, i > 1, i > 1 ? "state" : ""});
    }
    return all;
}

} // namespace halfscope::model::shapes
