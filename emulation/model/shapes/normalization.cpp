// Norms, softmax and losses.
#include "emulation/model/shapes/rules.h"

#include <fmt/format.h>

namespace halfscope::model::shapes {
namespace {

using ops::DType;
using ops::OpKind;

ops::Shape channels_of(const InferenceRequest &request, const ops::Shape &x) {
    if (x.rank() < 2) request.reject("it works on [batch, channels, ...]");
    return {x[1]};
}

/// Axes [axis, rank) of x, or those before it.
ops::Shape part(const InferenceRequest &request, const ops::Shape &x, bool normalised) {
    const int axis = request.operation.get<ops::Normalization>().axis;
    if (axis < 0 || axis >= x.rank())
        request.reject(fmt::format("its first normalised axis, {}, is outside {}", axis, x.text()));
    const auto split = static_cast<std::size_t>(axis);
    return ops::Shape(normalised ? x.sizes().subspan(split) : x.sizes().first(split));
}

void require_channels(const InferenceRequest &request, const ops::Shape &channels,
                      std::initializer_list<std::pair<std::size_t, std::string_view>> parameters) {
    for (const auto &[index, what] : parameters) require_shape(request, index, channels, what);
}

std::int64_t checked_groups(const InferenceRequest &request, const ops::Shape &x) {
    const std::int64_t groups = request.operation.get<ops::Normalization>().groups;
    if (groups < 1 || x[1] % groups != 0)
        request.reject(fmt::format("{} channels cannot be cut into {} groups", x[1], groups));
    return groups;
}

/// dx in x's type, then the gradients of gamma and beta in gamma's.
Results gradients(const InferenceRequest &request, const Operand &x, const Operand &gamma) {
    return {{result_like(request, x.dtype), x.shape},
            {gamma.dtype, gamma.shape, false, "weight"},
            {gamma.dtype, gamma.shape, false, "bias"}};
}

Results layer_norm_gradient(const InferenceRequest &request) {
    const Operand &x = request.operands[1];
    require_shape(request, 0, x.shape, "output gradient");
    require_shape(request, 2, part(request, x.shape, false), "mean");
    require_shape(request, 3, part(request, x.shape, false), "rstd");
    if (request.operands.size() == 4) return {{result_like(request, x.dtype), x.shape}};
    require_shape(request, 4, part(request, x.shape, true), "gamma");
    return gradients(request, x, request.operands[4]);
}

Results rms_norm_gradient(const InferenceRequest &request) {
    const Operand &x = request.operands[1];
    require_shape(request, 0, x.shape, "output gradient");
    require_shape(request, 2, part(request, x.shape, false), "rstd");
    if (request.operands.size() == 3) return {{result_like(request, x.dtype), x.shape}};
    require_shape(request, 3, part(request, x.shape, true), "gamma");
    Results all = gradients(request, x, request.operands[3]);
    all.pop_back();
    return all;
}

Results batch_norm_gradient(const InferenceRequest &request) {
    const Operand &x = request.operands[1];
    require_shape(request, 0, x.shape, "output gradient");
    require_channels(request, channels_of(request, x.shape), {{2, "gamma"}, {3, "mean"}, {4, "fifth operand"}});
    return gradients(request, x, request.operands[2]);
}

} // namespace

Results normalization(const InferenceRequest &request) {
    const Operand &x = request.operands[0];
    switch (request.operation.kind) {
    case OpKind::batch_norm_gradient:
    case OpKind::batch_norm_inference_gradient: return batch_norm_gradient(request);
    case OpKind::layer_norm_gradient: return layer_norm_gradient(request);
    case OpKind::rms_norm_gradient: return rms_norm_gradient(request);
    case OpKind::group_norm_gradient: {
        const Operand &input = request.operands[1];
        require_shape(request, 0, input.shape, "output gradient");
        const ops::Shape channels = channels_of(request, input.shape);
        const ops::Shape groups{input.shape[0], checked_groups(request, input.shape)};
        require_channels(request, groups, {{2, "mean"}, {3, "rstd"}});
        require_shape(request, 4, channels, "gamma");
        return gradients(request, input, request.operands[4]);
    }
    default: break;
    }
    if (!ops::is_floating(x.dtype)) request.reject("its input must be floating");
    const DType y = result_like(request, x.dtype), statistics = statistics_type(x.dtype);
    switch (request.operation.kind) {
    case OpKind::batch_norm_training: {
        const ops::Shape channels = channels_of(request, x.shape);
        require_channels(request, channels, {{1, "weight"}, {2, "bias"}, {3, "running mean"}, {4, "running variance"}});
        return {{y, x.shape},
                {statistics, channels, true, "mean"},
                {statistics, channels, true, "rstd"},
                {request.operands[3].dtype, channels, true, "new_running_mean"},
                {request.operands[4].dtype, channels, true, "new_running_var"}};
    }
    case OpKind::batch_norm_inference:
        require_channels(request, channels_of(request, x.shape),
                         {{1, "weight"}, {2, "bias"}, {3, "mean"}, {4, "variance"}});
        return {{y, x.shape}};
    case OpKind::group_norm: {
        const ops::Shape channels = channels_of(request, x.shape);
        require_channels(request, channels, {{1, "weight"}, {2, "bias"}});
        const ops::Shape groups{x.shape[0], checked_groups(request, x.shape)};
        return {{y, x.shape}, {statistics, groups, true, "mean"}, {statistics, groups, true, "rstd"}};
    }
    case OpKind::rms_norm:
        if (request.operands.size() > 1) require_shape(request, 1, part(request, x.shape, true), "weight");
        return {{y, x.shape}, {statistics, part(request, x.shape, false), true, "rstd"}};
    default: // layer_norm
        for (std::size_t i = 1; i < request.operands.size(); ++i)
            require_shape(request, i, part(request, x.shape, true), i == 1 ? "weight" : "bias");
        return {{y, x.shape},
                {statistics, part(request, x.shape, false), true, "mean"},
                {statistics, part(request, x.shape, false), true, "rstd"}};
    }
}

Results softmax(const InferenceRequest &request) {
    (void)checked_axis(request, 0);
    if (request.operands.size() == 2) require_shape(request, 1, request.operands[0].shape, "output");
    return {{floating_result(request), request.operands[0].shape}};
}

Results loss(const InferenceRequest &request) {
    const auto &attributes = request.operation.get<ops::Loss>();
    const Operand &first = request.operands[0];
    switch (request.operation.kind) {
    case OpKind::nll_loss:
    case OpKind::nll_loss_gradient: {
        const bool gradient = request.operation.kind == OpKind::nll_loss_gradient;
        const ops::Shape &scores = gradient ? stated_shape(request) : first.shape;
        if (scores.rank() < 2) request.reject("it works on log-probabilities [batch, classes, ...]");
        require_int64(request, 1, "targets");
        ops::Shape targets{scores[0]};
        for (int axis = 2; axis < scores.rank(); ++axis) targets.append(scores[axis]);
        require_shape(request, 1, targets, "targets");
        const ops::Shape result = attributes.per_element ? targets : ops::Shape{};
        if (!gradient) return {{floating_result(request), result}};
        require_shape(request, 0, result, "output gradient");
        return {{floating_result(request), scores}};
    }
    case OpKind::mse_loss:
    case OpKind::bce_with_logits:
        require_shape(request, 1, first.shape, "target");
        if (!attributes.mean || attributes.per_element) request.reject("it is defined as the mean only");
        return {{floating_result(request), ops::Shape{}}};
    default: // their gradients: (dy, p, t)
        require_shape(request, 0, ops::Shape{}, "output gradient");
        require_shape(request, 2, request.operands[1].shape, "target");
        return {{result_like(request, request.operands[1].dtype), request.operands[1].shape}};
    }
}

} // namespace halfscope::model::shapes
