#include "tests/ops/central_differences.h"

#include <doctest/doctest.h>

#include <limits>

using namespace halfscope;
using namespace halfscope::test;

namespace {

struct Layout {
    Shape shape;
    int axis;
    [[nodiscard]] std::int64_t inner() const {
        std::int64_t inner = 1;
        for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
        return inner;
    }
};

const std::vector<Layout> layouts{
    {{64, 128}, 1},    // rows that fill blocks
    {{7, 33, 100}, 2}, // rows that straddle them
    {{3, 5000}, 1},    // rows longer than a block
    {{4, 30, 9}, 1},   // an inner axis
    {{2, 3000, 3}, 1}, // an inner axis, slabs longer than a block
};

/// Calls row(indices of one row's elements) for every row.
template <typename Row> void for_each_row(const Layout &layout, const Row &row) {
    const std::int64_t inner = layout.inner(), n = layout.shape[layout.axis];
    for (std::int64_t outer = 0; outer < layout.shape.elements() / (inner * n); ++outer)
        for (std::int64_t column = 0; column < inner; ++column) {
            std::vector<std::size_t> elements;
            for (std::int64_t i = 0; i < n; ++i)
                elements.push_back(static_cast<std::size_t>((outer * n + i) * inner + column));
            row(elements);
        }
}

std::vector<double> softmax_in_double(const Layout &layout, const std::vector<double> &x, bool logarithm) {
    std::vector<double> y(x.size());
    for_each_row(layout, [&](const std::vector<std::size_t> &row) {
        double largest = -std::numeric_limits<double>::infinity(), sum = 0;
        for (std::size_t i : row) largest = std::max(largest, x[i]);
        for (std::size_t i : row) sum += std::exp(x[i] - largest);
        for (std::size_t i : row) y[i] = logarithm ? (x[i] - largest) - std::log(sum) : std::exp(x[i] - largest) / sum;
    });
    return y;
}

/// Relative error of exp(x - m): the difference's rounding is multiplied by |x - m|, and exp adds 2 u of its own.
double power_error(double spread) { return steps_error(spread + 2); }

constexpr double spread = 12; // largest |x - m| of the inputs below, checked

} // namespace

TEST_CASE("softmax and log-softmax against double, any axis, any storage, any threads") {
    for (const Layout &layout : layouts)
        for (DType dtype : {DType::fp32, DType::fp16, DType::bf16}) {
            const std::int64_t n = layout.shape[layout.axis];
            const HostTensor x = normal_tensor(dtype, layout.shape, 1, 1.2);
            for (const bool logarithm : {false, true}) {
                const Operation op =
                    operation(logarithm ? OpKind::log_softmax : OpKind::softmax, ops::Axis{layout.axis});
                const auto one = run(op, {x}, {{dtype, layout.shape}}, 1);
                CHECK(same(one, run(op, {x}, {{dtype, layout.shape}}, 3)));
                const auto y = one[0], expected = softmax_in_double(layout, values(x), logarithm);
                double worst = 0;
                for (std::size_t i = 0; i < y.size(); ++i) {
                    const double relative = power_error(spread) + steps_error(tree_depth(n) + 1);
                    const double error =
                        logarithm ? relative + steps_error(4) * std::fabs(expected[i]) : relative * 2 * expected[i];
                    keep_worst(worst,
                               std::fabs(y[i] - expected[i]) / (error + rounding_error(expected[i], dtype) * 1.01));
                }
                CHECK(worst <= 1);
            }
        }
}

TEST_CASE("softmax gradients against central differences in fp64, and against double in low precision") {
    const Layout small{{3, 7, 2}, 1};
    const auto x = normal_values(small.shape.elements(), 1), dy = normal_values(small.shape.elements(), 2);
    for (const bool logarithm : {false, true}) {
        const OpKind forward = logarithm ? OpKind::log_softmax : OpKind::softmax;
        const OpKind backward = logarithm ? OpKind::log_softmax_gradient : OpKind::softmax_gradient;
        const auto f = [&](const std::vector<double> &at) {
            return run(operation(forward, ops::Axis{1}), {tensor(DType::fp64, small.shape, at)},
                       {{DType::fp64, small.shape}})[0];
        };
        const auto found = run(operation(backward, ops::Axis{1}),
                               {tensor(DType::fp64, small.shape, dy), tensor(DType::fp64, small.shape, f(x))},
                               {{DType::fp64, small.shape}})[0];
        double scale = 0;
        // Values stay below 6 in size, and so do the third derivatives of (log-)softmax.
        for (double value : dy) scale += 6 * std::fabs(value);
        CHECK(largest_difference(found, central_differences(f, x, dy)) < difference_error(scale, scale, 20));

        for (const Layout &layout : layouts)
            for (DType dtype : {DType::fp32, DType::bf16}) {
                const HostTensor slope = normal_tensor(dtype, layout.shape, 3);
                const HostTensor y = run(operation(forward, ops::Axis{layout.axis}),
                                         {normal_tensor(dtype, layout.shape, 4, 1.2)}, {{dtype, layout.shape}})
                                         .outputs[0];
                const auto one =
                    run(operation(backward, ops::Axis{layout.axis}), {slope, y}, {{dtype, layout.shape}}, 1);
                CHECK(same(one,
                           run(operation(backward, ops::Axis{layout.axis}), {slope, y}, {{dtype, layout.shape}}, 3)));
                const auto dx = one[0], ys = values(y), dys = values(slope);
                double worst = 0;
                for_each_row(layout, [&](const std::vector<std::size_t> &row) {
                    double sum = 0, size = 0;
                    for (std::size_t i : row) {
                        sum += logarithm ? dys[i] : dys[i] * ys[i];
                        size += std::fabs(logarithm ? dys[i] : dys[i] * ys[i]);
                    }
                    const double sum_error = steps_error(tree_depth(static_cast<std::int64_t>(row.size())) + 1) * size;
                    for (std::size_t i : row) {
                        const double p = logarithm ? std::exp(ys[i]) : ys[i];
                        const double expected = logarithm ? dys[i] - p * sum : p * (dys[i] - sum);
                        const double error =
                            p * sum_error +
                            steps_error(5) * (p * (std::fabs(sum) + std::fabs(dys[i])) + std::fabs(dys[i]));
                        keep_worst(worst,
                                   std::fabs(dx[i] - expected) / (error + rounding_error(expected, dtype) * 1.01));
                    }
                });
                CHECK(worst <= 1);
            }
    }
}

TEST_CASE("a fully masked row is NaN, one live entry is 1, and large logits do not overflow") {
    const double infinity = std::numeric_limits<double>::infinity();
    const auto softmax = [](const std::vector<double> &x) {
        const auto n = static_cast<std::int64_t>(x.size());
        return run(operation(OpKind::softmax, ops::Axis{0}), {tensor(DType::fp16, {n}, x)}, {{DType::fp16, {n}}})[0];
    };
    for (double value : softmax({-infinity, -infinity})) CHECK(std::isnan(value));
    CHECK(softmax({-infinity, 3, -infinity}) == std::vector<double>{0, 1, 0});
    CHECK(softmax({60000, 60000}) == std::vector<double>{0.5, 0.5});
    for (double value : softmax({std::nan(""), 1})) CHECK(std::isnan(value));
    // Near-miss N13: a logit 17.4 below the largest is 0 in fp16, 17.3 below is not.
    CHECK(softmax({0, -17.4})[1] == 0);
    CHECK(softmax({0, -17.3})[1] > 0);
}
