#include "tests/model/autodiff/gradient_case.h"

namespace halfscope::tests {
namespace {

Build norm(OpKind kind, int axis, std::int64_t groups = 1) {
    ops::Normalization attributes;
    attributes.axis = axis;
    attributes.groups = groups;
    attributes.epsilon = 1e-3;
    return apply({kind, attributes, {}});
}

/// The running statistics of a batch norm: buffers, not trained.
Build batch_norm(OpKind kind) {
    return [kind](Graph &graph, const std::vector<ValueId> &w) {
        ops::HostTensor mean(ops::DType::fp64, {3}), variance(ops::DType::fp64, {3});
        for (std::size_t i = 0; i < 3; ++i) {
            mean.as<double>()[i] = 0.1 * static_cast<double>(i);
            variance.as<double>()[i] = 1 + 0.5 * static_cast<double>(i);
        }
        const ValueId running_mean = graph.add_buffer("mean", "bn", std::move(mean));
        const ValueId running_variance = graph.add_buffer("variance", "bn", std::move(variance));
        return add(graph, op(kind), {w[0], w[1], w[2], running_mean, running_variance});
    };
}

} // namespace

std::vector<GradientCase> normalization_cases() {
    const Trained image{{3, 3, 2, 4}, -2, 3, {}}, channels{{3}, 0.5, 1.5, {}}, rows{{4, 2, 6}, -2, 3, {}};
    return {
        {"batch_norm_training", {image, channels, {{3}}}, batch_norm(OpKind::batch_norm_training)},
        {"batch_norm_training of rows",
         {{{5, 3}, -2, 3, {}}, channels, {{3}}},
         batch_norm(OpKind::batch_norm_training)},
        {"batch_norm_inference", {image, channels, {{3}}}, batch_norm(OpKind::batch_norm_inference)},
        {"layer_norm", {rows, {{6}, 0.5, 1.5, {}}, {{6}}}, norm(OpKind::layer_norm, 2)},
        {"layer_norm without bias", {rows, {{6}, 0.5, 1.5, {}}}, norm(OpKind::layer_norm, 2)},
        {"layer_norm without parameters", {rows}, norm(OpKind::layer_norm, 2)},
        {"layer_norm over two axes", {rows, {{2, 6}, 0.5, 1.5, {}}, {{2, 6}}}, norm(OpKind::layer_norm, 1)},
        {"rms_norm", {rows, {{6}, 0.5, 1.5, {}}}, norm(OpKind::rms_norm, 2)},
        {"rms_norm without parameters", {rows}, norm(OpKind::rms_norm, 2)},
        {"group_norm", {{{2, 4, 3, 2}, -2, 3, {}}, {{4}, 0.5, 1.5, {}}, {{4}}}, norm(OpKind::group_norm, -1, 2)},
    };
}

TEST_CASE("gradients of norms") { check_all(normalization_cases()); }

} // namespace halfscope::tests
