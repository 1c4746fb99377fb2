#include "emulation/model/shape_inference.h"

#include "emulation/model/shapes/rules.h"

#include <fmt/format.h>

#include <limits>
#include <stdexcept>

namespace halfscope::model {
namespace {

using ops::OpKind;

enum class Attributes : std::uint8_t {
    nothing,
    scalars,
    axis,
    reduction,
    matmul,
    convolution,
    pooling,
    normalization,
    loss,
    permutation,
    slice,
    optimizer
};

constexpr int any_number = std::numeric_limits<int>::max();

/// How many operands an operation takes, what its attributes are, and which rule gives its results.
struct Signature {
    int least, most;
    Attributes attributes;
    shapes::Results (*rule)(const InferenceRequest &);
};

Signature signature_of(OpKind kind) {
    using A = Attributes;
    switch (kind) {
    case OpKind::cast:
    case OpKind::negate:
    case OpKind::absolute:
    case OpKind::exponential:
    case OpKind::logarithm:
    case OpKind::square_root:
    case OpKind::reciprocal:
    case OpKind::sine:
    case OpKind::cosine:
    case OpKind::tanh:
    case OpKind::erf:
    case OpKind::sigmoid:
    case OpKind::relu:
    case OpKind::gelu:
    case OpKind::gelu_tanh:
    case OpKind::silu:
    case OpKind::softplus:
    case OpKind::hard_swish:
    case OpKind::floor:
    case OpKind::ceil:
    case OpKind::round:
    case OpKind::sign:
    case OpKind::logical_not:
    case OpKind::is_nan: return {1, 1, A::nothing, shapes::elementwise};
    case OpKind::leaky_relu:
    case OpKind::elu:
    case OpKind::hard_sigmoid:
    case OpKind::clip:
    case OpKind::power_scalar:
    case OpKind::scale:
    case OpKind::shift: return {1, 1, A::scalars, shapes::elementwise};
    case OpKind::add:
    case OpKind::subtract:
    case OpKind::multiply:
    case OpKind::divide:
    case OpKind::power:
    case OpKind::minimum:
    case OpKind::maximum:
    case OpKind::equal:
    case OpKind::less:
    case OpKind::less_equal:
    case OpKind::greater:
    case OpKind::greater_equal:
    case OpKind::logical_and:
    case OpKind::logical_or:
    case OpKind::relu_gradient:
    case OpKind::tanh_gradient:
    case OpKind::sigmoid_gradient:
    case OpKind::gelu_gradient:
    case OpKind::gelu_tanh_gradient:
    case OpKind::silu_gradient:
    case OpKind::softplus_gradient:
    case OpKind::hard_swish_gradient:
    case OpKind::absolute_gradient:
    case OpKind::square_root_gradient: return {2, 2, A::nothing, shapes::elementwise};
    case OpKind::modulo:
    case OpKind::leaky_relu_gradient:
    case OpKind::elu_gradient:
    case OpKind::hard_sigmoid_gradient:
    case OpKind::clip_gradient: return {2, 2, A::scalars, shapes::elementwise};
    case OpKind::where: return {3, 3, A::nothing, shapes::elementwise};
    case OpKind::reduce_sum:
    case OpKind::reduce_mean:
    case OpKind::reduce_max:
    case OpKind::reduce_min:
    case OpKind::reduce_product:
    case OpKind::reduce_sum_squares:
    case OpKind::argmax: return {1, 1, A::reduction, shapes::reduction};
    case OpKind::top_k:
    case OpKind::cumulative_sum: return {1, 1, A::axis, shapes::reduction};
    case OpKind::matmul: return {2, 3, A::matmul, shapes::matmul};
    case OpKind::convolution: return {2, 3, A::convolution, shapes::convolution};
    case OpKind::convolution_input_gradient:
    case OpKind::convolution_weight_gradient: return {2, 2, A::convolution, shapes::convolution};
    case OpKind::max_pool:
    case OpKind::average_pool:
    case OpKind::average_pool_gradient: return {1, 1, A::pooling, shapes::pooling};
    case OpKind::max_pool_gradient: return {2, 2, A::pooling, shapes::pooling};
    case OpKind::resize_nearest:
    case OpKind::resize_nearest_gradient: return {1, 1, A::nothing, shapes::pooling};
    case OpKind::batch_norm_training:
    case OpKind::batch_norm_inference:
    case OpKind::batch_norm_gradient:
    case OpKind::batch_norm_inference_gradient:
    case OpKind::group_norm_gradient: return {5, 5, A::normalization, shapes::normalization};
    case OpKind::layer_norm: return {1, 3, A::normalization, shapes::normalization};
    case OpKind::layer_norm_gradient: return {4, 5, A::normalization, shapes::normalization};
    case OpKind::rms_norm: return {1, 2, A::normalization, shapes::normalization};
    case OpKind::rms_norm_gradient: return {3, 4, A::normalization, shapes::normalization};
    case OpKind::group_norm: return {3, 3, A::normalization, shapes::normalization};
    case OpKind::softmax:
    case OpKind::log_softmax: return {1, 1, A::axis, shapes::softmax};
    case OpKind::softmax_gradient:
    case OpKind::log_softmax_gradient: return {2, 2, A::axis, shapes::softmax};
    case OpKind::nll_loss:
    case OpKind::nll_loss_gradient:
    case OpKind::mse_loss:
    case OpKind::bce_with_logits: return {2, 2, A::loss, shapes::loss};
    case OpKind::mse_loss_gradient:
    case OpKind::bce_with_logits_gradient: return {3, 3, A::loss, shapes::loss};
    case OpKind::gather:
    case OpKind::gather_gradient:
    case OpKind::gather_elements:
    case OpKind::gather_elements_gradient: return {2, 2, A::axis, shapes::indexing};
    case OpKind::one_hot: return {1, 1, A::axis, shapes::indexing};
    case OpKind::transpose: return {1, 1, A::permutation, shapes::movement};
    case OpKind::reshape:
    case OpKind::expand: return {1, 1, A::nothing, shapes::movement};
    case OpKind::concat: return {1, any_number, A::axis, shapes::movement};
    case OpKind::slice:
    case OpKind::slice_gradient:
    case OpKind::pad: return {1, 1, A::slice, shapes::movement};
    case OpKind::trilu: return {1, 1, A::scalars, shapes::movement};
    case OpKind::dropout: return {1, 1, A::scalars, shapes::random};
    case OpKind::dropout_gradient: return {2, 2, A::scalars, shapes::random};
    case OpKind::random_uniform:
    case OpKind::random_normal: return {1, 1, A::scalars, shapes::random};
    case OpKind::fill: return {0, 0, A::scalars, shapes::random};
    case OpKind::unscale_check: return {2, any_number, A::nothing, shapes::training};
    case OpKind::sgd_step: return {2, 4, A::optimizer, shapes::training};
    case OpKind::adam_step: return {4, 5, A::optimizer, shapes::training};
    }
    throw std::invalid_argument("an operation of unknown kind");
}

/// Gives a missing attribute its default, or rejects an attribute of another operation.
template <typename T>
T &attribute(ops::Operation &operation, const InferenceRequest &request, bool has_default = true) {
    if (std::holds_alternative<std::monostate>(operation.attributes)) {
        if (!has_default) request.reject("its attributes are missing");
        operation.attributes = T{};
    }
    if (T *found = std::get_if<T>(&operation.attributes)) return *found;
    request.reject("its attributes are those of another operation");
}

void fill_in(std::vector<std::int64_t> &sizes, std::size_t axes, std::int64_t value) {
    if (sizes.empty()) sizes.assign(axes, value);
}

} // namespace

void InferenceRequest::reject(std::string_view reason) const {
    std::string shapes;
    for (const Operand &operand : operands)
        shapes += fmt::format("{}{} {}", shapes.empty() ? "; operands are " : ", ", ops::name_of(operand.dtype),
                              operand.shape.text());
    throw std::invalid_argument(
        fmt::format("node '{}' ({}): {}{}", node, ops::name_of(operation.kind), reason, shapes));
}

std::optional<ops::Shape> broadcast(const ops::Shape &a, const ops::Shape &b) {
    ops::Shape out = a.rank() >= b.rank() ? a : b;
    const ops::Shape &other = a.rank() >= b.rank() ? b : a;
    const int offset = out.rank() - other.rank();
    for (int axis = 0; axis < other.rank(); ++axis) {
        std::int64_t &size = out[axis + offset];
        if (size == other[axis] || other[axis] == 1) continue;
        if (size != 1) return {};
        size = other[axis];
    }
    return out;
}

ops::DType promote(ops::DType a, ops::DType b) {
    if (a == b) return a;
    if (a == ops::DType::fp64 || b == ops::DType::fp64) return ops::DType::fp64;
    return ops::DType::fp32;
}

void complete_attributes(ops::Operation &operation, std::string_view node, std::span<const Operand> operands) {
    const InferenceRequest request{operation, node, operands, {}, {}};
    const Signature signature = signature_of(operation.kind);
    const int rank = operands.empty() ? 0 : operands[0].shape.rank();
    switch (signature.attributes) {
    case Attributes::nothing:
        if (!std::holds_alternative<std::monostate>(operation.attributes))
            request.reject("it takes no attributes, but was given some");
        break;
    case Attributes::scalars: attribute<ops::Scalars>(operation, request, operation.kind == OpKind::modulo); break;
    case Attributes::axis: attribute<ops::Axis>(operation, request, false); break;
    case Attributes::reduction: {
        auto &reduction = attribute<ops::Reduction>(operation, request, operation.kind != OpKind::argmax);
        int last = -1;
        for (int axis : reduction.axes) {
            if (axis <= last || axis >= rank) request.reject("axes must be ascending, each below the operand's rank");
            last = axis;
        }
        break;
    }
    case Attributes::matmul: attribute<ops::Matmul>(operation, request); break;
    case Attributes::convolution: {
        auto &window = attribute<ops::Convolution>(operation, request);
        const auto axes = static_cast<std::size_t>(rank < 2 ? 0 : rank - 2);
        fill_in(window.strides, axes, 1);
        fill_in(window.dilations, axes, 1);
        fill_in(window.pads_begin, axes, 0);
        fill_in(window.pads_end, axes, 0);
        break;
    }
    case Attributes::pooling: {
        auto &window = attribute<ops::Pooling>(operation, request, false);
        const std::size_t axes = window.kernel.size();
        fill_in(window.strides, axes, 1);
        fill_in(window.dilations, axes, 1);
        fill_in(window.pads_begin, axes, 0);
        fill_in(window.pads_end, axes, 0);
        break;
    }
    case Attributes::normalization: attribute<ops::Normalization>(operation, request); break;
    case Attributes::loss: attribute<ops::Loss>(operation, request); break;
    case Attributes::permutation: attribute<ops::Permutation>(operation, request, false); break;
    case Attributes::slice: {
        auto &slice = attribute<ops::Slice>(operation, request, false);
        if (slice.steps.empty()) slice.steps.assign(slice.starts.size(), 1);
        break;
    }
    case Attributes::optimizer: attribute<ops::OptimizerStep>(operation, request, false); break;
    }
}

std::vector<Result> infer_results(const InferenceRequest &request) {
    const Signature signature = signature_of(request.operation.kind);
    const auto count = static_cast<int>(request.operands.size());
    if (count < signature.least || count > signature.most)
        request.reject(signature.least == signature.most
                           ? fmt::format("it takes {} operands, not {}", signature.least, count)
                           : fmt::format("it takes {} to {} operands, not {}", signature.least, signature.most, count));
    return signature.rule(request);
}

namespace shapes {

ops::DType floating_result(const InferenceRequest &request) {
    if (request.output_dtype) {
        if (!ops::is_floating(*request.output_dtype)) request.reject("its result is floating");
        return *request.output_dtype;
    }
    for (bool scalars : {false, true}) {
        std::optional<ops::DType> common;
        for (const Operand &operand : request.operands)
            if (ops::is_floating(operand.dtype) && operand.scalar_constant == scalars)
                common = common ? promote(*common, operand.dtype) : operand.dtype;
        if (common) return *common;
    }
    request.reject("it needs a floating operand");
}

ops::DType result_like(const InferenceRequest &request, ops::DType natural) {
    return request.output_dtype.value_or(natural);
}

const ops::Shape &stated_shape(const InferenceRequest &request) {
    if (!request.output_shape) request.reject("the shape of its result must be stated");
    return *request.output_shape;
}

ops::DType statistics_type(ops::DType x) { return x == ops::DType::fp64 ? ops::DType::fp64 : ops::DType::fp32; }

void require_shape(const InferenceRequest &request, std::size_t index, const ops::Shape &shape, std::string_view what) {
    if (request.operands[index].shape != shape) request.reject(fmt::format("its {} must be {}", what, shape.text()));
}

void require_int64(const InferenceRequest &request, std::size_t index, std::string_view what) {
    if (request.operands[index].dtype != ops::DType::int64) request.reject(fmt::format("its {} must be int64", what));
}

int checked_axis(const InferenceRequest &request, std::size_t index) {
    const int axis = request.operation.get<ops::Axis>().axis;
    const int rank = request.operands[index].shape.rank();
    if (axis < 0 || axis >= rank)
        request.reject(fmt::format("axis {} is outside operand {} of rank {}", axis, index, rank));
    return axis;
}

} // namespace shapes
} // namespace halfscope::model
