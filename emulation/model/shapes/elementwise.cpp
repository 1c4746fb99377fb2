// Elementwise operations broadcast; reductions drop or keep the reduced axes.
#include "emulation/model/shapes/rules.h"

#include <fmt/format.h>

namespace halfscope::model::shapes {
namespace {

using ops::DType;
using ops::OpKind;

bool any_floating(const InferenceRequest &request) {
    for (const Operand &operand : request.operands)
        if (ops::is_floating(operand.dtype)) return true;
    return false;
}

ops::Shape common_shape(const InferenceRequest &request) {
    ops::Shape shape;
    for (const Operand &operand : request.operands) {
        const auto wider = broadcast(shape, operand.shape);
        if (!wider) request.reject("its operands do not broadcast to one shape");
        shape = *wider;
    }
    return shape;
}

/// int64 in, int64 out; otherwise floating.
DType arithmetic_type(const InferenceRequest &request) {
    if (any_floating(request)) return floating_result(request);
    for (const Operand &operand : request.operands)
        if (operand.dtype != DType::int64) request.reject("arithmetic on boolean operands needs a cast first");
    return DType::int64;
}

DType select_type(const InferenceRequest &request) {
    if (request.operands[0].dtype != DType::boolean) request.reject("its condition must be boolean");
    const DType a = request.operands[1].dtype, b = request.operands[2].dtype;
    if (ops::is_floating(a) || ops::is_floating(b)) return floating_result(request);
    if (a != b) request.reject("its two choices must have one storage type");
    return a;
}

void require_boolean(const InferenceRequest &request) {
    for (const Operand &operand : request.operands)
        if (operand.dtype != DType::boolean) request.reject("its operands must be boolean");
}

} // namespace

Results elementwise(const InferenceRequest &request) {
    const ops::Shape shape = common_shape(request);
    switch (request.operation.kind) {
    case OpKind::cast:
        if (!request.output_dtype) request.reject("the storage type to cast to must be stated");
        return {{*request.output_dtype, shape}};
    case OpKind::logical_not:
    case OpKind::logical_and:
    case OpKind::logical_or: require_boolean(request); return {{DType::boolean, shape}};
    case OpKind::is_nan:
    case OpKind::equal:
    case OpKind::less:
    case OpKind::less_equal:
    case OpKind::greater:
    case OpKind::greater_equal: return {{DType::boolean, shape}};
    case OpKind::where: return {{select_type(request), shape}};
    case OpKind::add:
    case OpKind::subtract:
    case OpKind::multiply:
    case OpKind::divide:
    case OpKind::minimum:
    case OpKind::maximum:
    case OpKind::modulo:
    case OpKind::power:
    case OpKind::negate:
    case OpKind::absolute:
    case OpKind::sign:
    case OpKind::relu:
    case OpKind::clip: return {{arithmetic_type(request), shape}};
    default: return {{floating_result(request), shape}};
    }
}

Results reduction(const InferenceRequest &request) {
    const Operand &x = request.operands[0];
    const OpKind kind = request.operation.kind;
    if (kind == OpKind::cumulative_sum) {
        (void)checked_axis(request, 0);
        return {{ops::is_floating(x.dtype) ? floating_result(request) : x.dtype, x.shape}};
    }
    if (kind == OpKind::top_k) {
        const int axis = checked_axis(request, 0);
        const ops::Shape &out = stated_shape(request);
        ops::Shape whole = out;
        if (axis < out.rank() && out[axis] <= x.shape[axis]) whole[axis] = x.shape[axis];
        if (whole != x.shape) request.reject("its result " + out.text() + " is not a part along the axis");
        return {{DType::int64, out}};
    }
    const auto &attributes = request.operation.get<ops::Reduction>();
    if (kind == OpKind::argmax && attributes.axes.size() != 1) request.reject("it works along exactly one axis");
    ops::Shape shape;
    std::size_t next = 0;
    std::int64_t reduced = 1;
    for (int axis = 0; axis < x.shape.rank(); ++axis) {
        const bool chosen = attributes.axes.empty() || (next < attributes.axes.size() && attributes.axes[next] == axis);
        if (chosen) {
            ++next;
            reduced *= x.shape[axis];
            if (attributes.keep_dims) shape.append(1);
        } else {
            shape.append(x.shape[axis]);
        }
    }
    const bool needs_elements = kind == OpKind::reduce_max || kind == OpKind::reduce_min || kind == OpKind::argmax;
    if (needs_elements && reduced == 0) request.reject("there is no element to choose from");
    if (kind == OpKind::argmax) return {{DType::int64, shape}};
    if (x.dtype == DType::boolean) request.reject("a boolean operand needs a cast first");
    return {{ops::is_floating(x.dtype) ? floating_result(request) : x.dtype, shape}};
}

} // namespace halfscope::model::shapes
