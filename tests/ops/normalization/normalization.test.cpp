#include "tests/ops/central_differences.h"

#include <doctest/doctest.h>

#include <functional>

using namespace halfscope;
using namespace halfscope::test;

namespace {

using Values = std::vector<double>;

/// How elements share statistics and weights, written as plain functions of the flat element.
struct Layout {
    const char *name;
    OpKind forward, backward;
    Shape shape;
    ops::Normalization attributes;
    bool centred = true;
    std::int64_t groups = 1, weights = 1;
    std::function<std::int64_t(std::int64_t)> group_of, weight_of;
};

Layout layer(const Shape &shape, int axis, bool centred) {
    std::int64_t length = 1;
    for (int i = axis; i < shape.rank(); ++i) length *= shape[i];
    ops::Normalization attributes;
    attributes.axis = axis;
    return {centred ? "layer" : "rms",
            centred ? OpKind::layer_norm : OpKind::rms_norm,
            centred ? OpKind::layer_norm_gradient : OpKind::rms_norm_gradient,
            shape,
            attributes,
            centred,
            shape.elements() / length,
            length,
            [length](std::int64_t i) { return i / length; },
            [length](std::int64_t i) { return i % length; }};
}

Layout group(const Shape &shape, std::int64_t groups) {
    std::int64_t space = 1;
    for (int i = 2; i < shape.rank(); ++i) space *= shape[i];
    ops::Normalization attributes;
    attributes.groups = groups;
    const std::int64_t channels = shape[1], length = channels / groups * space;
    return {"group",
            OpKind::group_norm,
            OpKind::group_norm_gradient,
            shape,
            attributes,
            true,
            shape[0] * groups,
            channels,
            [length](std::int64_t i) { return i / length; },
            [space, channels](std::int64_t i) { return i / space % channels; }};
}

Layout batch(const Shape &shape) {
    std::int64_t space = 1;
    for (int i = 2; i < shape.rank(); ++i) space *= shape[i];
    const std::int64_t channels = shape[1];
    const auto channel = [space, channels](std::int64_t i) { return i / space % channels; };
    return {
        "batch", OpKind::batch_norm_training, OpKind::batch_norm_gradient, shape, {}, true, channels, channels, channel,
        channel};
}

struct Reference {
    Values y, mean, variance, rstd;
};

Reference reference(const Layout &layout, const Values &x, const Values &gamma, const Values &beta) {
    const auto groups = static_cast<std::size_t>(layout.groups);
    Reference result{Values(x.size()), Values(groups), Values(groups), Values(groups)};
    const double n = static_cast<double>(x.size()) / static_cast<double>(layout.groups);
    const auto of = [&](std::size_t i) {
        return static_cast<std::size_t>(layout.group_of(static_cast<std::int64_t>(i)));
    };
    if (layout.centred)
        for (std::size_t i = 0; i < x.size(); ++i) result.mean[of(i)] += x[i] / n;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double difference = x[i] - result.mean[of(i)];
        result.variance[of(i)] += difference * difference / n;
    }
    for (std::size_t g = 0; g < groups; ++g)
        result.rstd[g] = 1 / std::sqrt(result.variance[g] + layout.attributes.epsilon);
    for (std::size_t i = 0; i < x.size(); ++i) {
        const auto w = static_cast<std::size_t>(layout.weight_of(static_cast<std::int64_t>(i)));
        result.y[i] = (x[i] - result.mean[of(i)]) * result.rstd[of(i)] * gamma[w] + (layout.centred ? beta[w] : 0);
    }
    return result;
}

/// Runs the forward operation of a layout on operands of one storage type; statistics come as fp32 (fp64 with fp64).
Outcome forward(const Layout &layout, DType dtype, const Values &x, const Values &gamma, const Values &beta,
                int threads = 1) {
    const Shape weights{layout.weights};
    const DType statistics = dtype == DType::fp64 ? DType::fp64 : DType::fp32;
    std::vector<HostTensor> inputs{tensor(dtype, layout.shape, x), tensor(statistics, weights, gamma)};
    if (layout.centred) inputs.push_back(tensor(statistics, weights, beta));
    std::vector<OutputOf> outputs{{dtype, layout.shape}, {statistics, {layout.groups}}};
    if (layout.centred) outputs.push_back({statistics, {layout.groups}});
    if (layout.forward == OpKind::batch_norm_training) {
        inputs.push_back(tensor(statistics, weights, Values(static_cast<std::size_t>(layout.weights), 0.25)));
        inputs.push_back(tensor(statistics, weights, Values(static_cast<std::size_t>(layout.weights), 2)));
        outputs.insert(outputs.end(), 2, {statistics, weights});
    }
    return run(operation(layout.forward, layout.attributes), inputs, outputs, threads);
}

Outcome backward(const Layout &layout, DType dtype, const Values &dy, const Values &x, const Values &gamma,
                 const Outcome &of_forward, int threads = 1) {
    const Shape weights{layout.weights};
    const DType statistics = dtype == DType::fp64 ? DType::fp64 : DType::fp32;
    const HostTensor scale = tensor(statistics, weights, gamma);
    std::vector<HostTensor> inputs{tensor(dtype, layout.shape, dy), tensor(dtype, layout.shape, x)};
    if (layout.forward == OpKind::batch_norm_training) inputs.push_back(scale);
    inputs.push_back(of_forward.outputs[1]);
    if (layout.centred) inputs.push_back(of_forward.outputs[2]);
    if (layout.forward != OpKind::batch_norm_training) inputs.push_back(scale);
    std::vector<OutputOf> outputs{{dtype, layout.shape}, {statistics, weights}};
    if (layout.centred) outputs.push_back({statistics, weights});
    return run(operation(layout.backward, layout.attributes), inputs, outputs, threads);
}

const std::vector<Layout> &small_layouts() {
    static const std::vector<Layout> layouts{layer({4, 3, 10}, 2, true),
                                             layer({4, 3, 10}, 1, true),
                                             layer({4, 3, 10}, 2, false),
                                             group({2, 6, 3, 4}, 3),
                                             group({2, 4, 5}, 4),
                                             batch({4, 3, 2, 5}),
                                             batch({7, 5})};
    return layouts;
}

const std::vector<Layout> &large_layouts() {
    static const std::vector<Layout> layouts{
        layer({256, 256}, 1, true),  // rows that fill statistics blocks
        layer({50, 200}, 1, true),   // rows that straddle them
        layer({3, 5000}, 1, true),   // rows longer than a block
        layer({5000, 70}, 1, false), // more rows than a tree chunk
        group({3, 8, 30, 30}, 2),    // groups longer than a chunk
        batch({16, 5, 32, 32}),      // channels of several chunks, planes whole lanes
        batch({33, 7, 13, 13}),      // planes that are not
        batch({300, 70}),            // no space at all
    };
    return layouts;
}

/// Relative error of rstd: the variance's tree of squares of differences, whose mean is off by its own tree, then the
/// division, sum, square root and reciprocal.
double rstd_error(double n, double mean_over_deviation) {
    const double depth = tree_depth(static_cast<std::int64_t>(n));
    return steps_error(depth / 2 + 6 + 2 * mean_over_deviation) + steps_error(depth + 1) * mean_over_deviation * 2;
}

} // namespace

TEST_CASE("normalisations against double, in every storage type, on any number of threads") {
    for (const Layout &layout : large_layouts())
        for (DType dtype : {DType::fp32, DType::fp16, DType::bf16}) {
            CAPTURE(std::string(layout.name));
            CAPTURE(layout.shape.text());
            const std::int64_t total = layout.shape.elements();
            const Values x = values(normal_tensor(dtype, layout.shape, 1, 2, 1));
            const Values gamma = values(normal_tensor(DType::fp32, {layout.weights}, 2, 0.2, 1)),
                         beta = values(normal_tensor(DType::fp32, {layout.weights}, 3));
            const Outcome found = forward(layout, dtype, x, gamma, beta);
            CHECK(same(found, forward(layout, dtype, x, gamma, beta, 3)));
            const Reference expected = reference(layout, x, gamma, beta);
            const double n = static_cast<double>(total) / static_cast<double>(layout.groups);
            // The mean is half a deviation; 1 leaves room for rows that happen to lie further out.
            const double statistic = rstd_error(n, 1);
            const auto y = found[0];
            double worst = 0;
            for (std::size_t i = 0; i < y.size(); ++i) {
                const auto w = static_cast<std::size_t>(layout.weight_of(static_cast<std::int64_t>(i)));
                const double h = std::fabs(layout.centred ? (expected.y[i] - beta[w]) : expected.y[i]);
                const double error =
                    statistic * (h + std::fabs(gamma[w])) + steps_error(4) * (h + std::fabs(expected.y[i]));
                keep_worst(worst,
                           std::fabs(y[i] - expected.y[i]) / (error + rounding_error(expected.y[i], dtype) * 1.01));
            }
            CHECK(worst <= 1);
            const Values rstd = found[layout.centred ? 2 : 1];
            worst = 0;
            for (std::size_t g = 0; g < rstd.size(); ++g)
                keep_worst(worst, std::fabs(rstd[g] / expected.rstd[g] - 1) / statistic);
            CHECK(worst <= 1);
            if (layout.forward != OpKind::batch_norm_training) continue;
            const Values running_mean = found[3], running_variance = found[4];
            worst = 0;
            for (std::size_t c = 0; c < running_mean.size(); ++c) {
                keep_worst(worst, std::fabs(running_mean[c] - (0.9 * 0.25 + 0.1 * expected.mean[c])) /
                                      (steps_error(tree_depth(static_cast<std::int64_t>(n)) + 4) * 3));
                const double unbiased = expected.variance[c] * n / (n - 1);
                keep_worst(worst, std::fabs(running_variance[c] - (0.9 * 2 + 0.1 * unbiased)) /
                                      ((2 * statistic + steps_error(4)) * (2 + unbiased)));
            }
            CHECK(worst <= 1);
        }
}

TEST_CASE("gradients of every normalisation against central differences in fp64") {
    for (const Layout &layout : small_layouts()) {
        CAPTURE(std::string(layout.name));
        CAPTURE(layout.shape.text());
        const std::int64_t total = layout.shape.elements();
        const Values x = normal_values(total, 1), dy = normal_values(total, 2),
                     gamma = normal_values(layout.weights, 3, 0.3, 1), beta = normal_values(layout.weights, 4);
        const Outcome of_forward = forward(layout, DType::fp64, x, gamma, beta);
        const Outcome found = backward(layout, DType::fp64, dy, x, gamma, of_forward);
        // A value is at most |gamma| * (|h| + |beta|), with |h| below 6; its third derivative along x at most 15 *
        // rstd^3 of it (that of 1 / sqrt).
        double largest = 0, slopes = 0;
        for (double value : values(of_forward.outputs[layout.centred ? 2 : 1])) largest = std::max(largest, value);
        for (double value : dy) slopes += std::fabs(value);
        const double bound = difference_error(slopes * 12 * 15 * largest * largest * largest, slopes * 12, 20);
        const auto y_of = [&](const Values &at_x, const Values &at_gamma, const Values &at_beta) {
            return forward(layout, DType::fp64, at_x, at_gamma, at_beta)[0];
        };
        CHECK(largest_difference(found[0], central_differences([&](const Values &at) { return y_of(at, gamma, beta); },
                                                               x, dy)) < bound);
        CHECK(largest_difference(found[1], central_differences([&](const Values &at) { return y_of(x, at, beta); },
                                                               gamma, dy)) < bound);
        if (layout.centred)
            CHECK(largest_difference(found[2], central_differences([&](const Values &at) { return y_of(x, gamma, at); },
                                                                   beta, dy)) < bound);
    }
}

TEST_CASE("gradients in low precision lie near those in fp64, and do not depend on threads") {
    for (const Layout &layout : large_layouts())
        for (DType dtype : {DType::fp32, DType::fp16}) {
            CAPTURE(std::string(layout.name));
            CAPTURE(layout.shape.text());
            const Values x = values(normal_tensor(dtype, layout.shape, 1, 2, 1)),
                         dy = values(normal_tensor(dtype, layout.shape, 2));
            const Values gamma = values(normal_tensor(DType::fp32, {layout.weights}, 3, 0.2, 1)),
                         beta(static_cast<std::size_t>(layout.weights));
            const Outcome found = backward(layout, dtype, dy, x, gamma, forward(layout, dtype, x, gamma, beta));
            CHECK(same(found, backward(layout, dtype, dy, x, gamma, forward(layout, dtype, x, gamma, beta), 3)));
            const Outcome exact =
                backward(layout, DType::fp64, dy, x, gamma, forward(layout, DType::fp64, x, gamma, beta));
            const std::int64_t n = layout.shape.elements() / layout.groups;
            const std::int64_t per_weight = layout.shape.elements() / layout.weights;
            double worst = 0;
            const auto dx = found[0], expected = exact[0];
            // dx = rstd * (g - mean(g) - h * mean(g h)): h is off by the error of its statistics times |h| + 1, and the
            // means, at most 1 in size, by their trees. |h| and |dy| stay below 6, rstd below 1, gamma below 2.
            const double dx_error =
                rstd_error(static_cast<double>(n), 1) * 2 * 6 * 7 + steps_error(tree_depth(n) + 8) * 2 * 12;
            for (std::size_t i = 0; i < dx.size(); ++i)
                keep_worst(worst,
                           std::fabs(dx[i] - expected[i]) / (dx_error + rounding_error(expected[i], dtype) * 1.01));
            CHECK(worst <= 1);
            worst = 0;
            // Sums of per_weight terms dy * h of mean size below 1.
            const double dw_error =
                (steps_error(tree_depth(per_weight) + 4) + rstd_error(static_cast<double>(n), 1) * 2) *
                static_cast<double>(per_weight);
            for (std::size_t output = 1; output < found.outputs.size(); ++output)
                for (std::size_t i = 0; i < found[output].size(); ++i) {
                    keep_worst(worst, std::fabs(found[output][i] - exact[output][i]) / dw_error);
                    if (i > 100) break;
                }
            CHECK(worst <= 1);
        }
}

TEST_CASE("batch norm at inference uses the statistics it is given, and so does its gradient") {
    const Shape shape{3, 4, 5, 2}, weights{4};
    const Values x = normal_values(120, 1), gamma = normal_values(4, 2), beta = normal_values(4, 3),
                 mean = normal_values(4, 4), dy = normal_values(120, 6);
    const Values variance{0.5, 1, 2, 4};
    const auto y_of = [&](const Values &at_x, const Values &at_gamma, const Values &at_beta) {
        return run(operation(OpKind::batch_norm_inference, ops::Normalization{}),
                   {tensor(DType::fp64, shape, at_x), tensor(DType::fp64, weights, at_gamma),
                    tensor(DType::fp64, weights, at_beta), tensor(DType::fp64, weights, mean),
                    tensor(DType::fp64, weights, variance)},
                   {{DType::fp64, shape}})[0];
    };
    const Values y = y_of(x, gamma, beta);
    for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t c = i / 10 % 4;
        CHECK(y[i] == doctest::Approx((x[i] - mean[c]) / std::sqrt(variance[c] + 1e-5) * gamma[c] + beta[c])
                          .epsilon(steps_error(8, DType::fp64))
                          .scale(10));
    }
    const auto found =
        run(operation(OpKind::batch_norm_inference_gradient, ops::Normalization{}),
            {tensor(DType::fp64, shape, dy), tensor(DType::fp64, shape, x), tensor(DType::fp64, weights, gamma),
             tensor(DType::fp64, weights, mean), tensor(DType::fp64, weights, variance)},
            {{DType::fp64, shape}, {DType::fp64, weights}, {DType::fp64, weights}});
    double scale = 0; // linear in each argument: no third derivative
    for (std::size_t i = 0; i < y.size(); ++i) scale += std::fabs(dy[i] * y[i]);
    const double bound = difference_error(0, scale, 130);
    CHECK(largest_difference(
              found[0], central_differences([&](const Values &at) { return y_of(at, gamma, beta); }, x, dy)) < bound);
    CHECK(largest_difference(
              found[1], central_differences([&](const Values &at) { return y_of(x, at, beta); }, gamma, dy)) < bound);
    CHECK(largest_difference(
              found[2], central_differences([&](const Values &at) { return y_of(x, gamma, at); }, beta, dy)) < bound);
}

TEST_CASE("layer norm without weights, and hazard A10: a constant row is 0, not NaN, in any storage") {
    const Layout plain = layer({5, 40}, 1, true);
    const HostTensor x = normal_tensor(DType::fp16, plain.shape, 1);
    const auto without = run(operation(OpKind::layer_norm, plain.attributes), {x}, {{DType::fp16, plain.shape}})[0];
    CHECK(without == forward(plain, DType::fp16, values(x), Values(40, 1), Values(40, 0))[0]);
    ops::Normalization tiny;
    tiny.axis = 1;
    tiny.epsilon = 1e-12;
    const auto zeros =
        run(operation(OpKind::layer_norm, tiny), {HostTensor(DType::fp16, {1, 10})}, {{DType::fp16, {1, 10}}})[0];
    CHECK(zeros == Values(10, 0));
}

TEST_CASE("normalisation operands that do not fit are rejected") {
    const HostTensor x(DType::fp32, {2, 6}), gamma(DType::fp32, {5});
    ops::Normalization attributes;
    attributes.axis = 1;
    CHECK_THROWS_WITH_AS(run(operation(OpKind::layer_norm, attributes), {x, gamma}, {{DType::fp32, {2, 6}}}),
                         "layer_norm: needs 6 weights, got [5]", std::invalid_argument);
    attributes.groups = 4;
    CHECK_THROWS_WITH_AS(run(operation(OpKind::group_norm, attributes), {x}, {{DType::fp32, {2, 6}}}),
                         "group_norm: 6 channels cannot form 4 groups", std::invalid_argument);
    const HostTensor one(DType::fp32, {1, 6}), per_channel(DType::fp32, {6});
    CHECK_THROWS_WITH_AS(
        run(operation(OpKind::batch_norm_training, ops::Normalization{}),
            {one, per_channel, per_channel, per_channel, per_channel},
            {{DType::fp32, {1, 6}}, {DType::fp32, {6}}, {DType::fp32, {6}}, {DType::fp32, {6}}, {DType::fp32, {6}}}),
        "batch_norm_training: needs more than one value per channel to train, got the shape [1, 6]",
        std::invalid_argument);
}
