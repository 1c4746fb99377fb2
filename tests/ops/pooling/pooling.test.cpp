#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

#include <limits>

using namespace halfscope;
using namespace halfscope::test;

namespace {

const double infinity = std::numeric_limits<double>::infinity();

struct Case {
    const char *name;
    std::int64_t height, width;
    std::vector<std::int64_t> kernel, strides, dilations, pads_begin, pads_end;
    bool count_include_pad = false;
    std::vector<std::int64_t> ceil_extra = {};

    [[nodiscard]] ops::Pooling pooling() const {
        return {kernel, strides, dilations, pads_begin, pads_end, count_include_pad, ceil_extra};
    }
    [[nodiscard]] std::int64_t output(std::size_t axis) const {
        const std::int64_t input = axis == 0 ? height : width;
        return (input + pads_begin[axis] + pads_end[axis] - dilations[axis] * (kernel[axis] - 1) - 1) / strides[axis] +
               1;
    }
};

const std::vector<Case> cases{
    {"2x2", 8, 6, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}},
    {"overlapping with padding", 7, 9, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
    {"padding counted", 7, 9, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, true},
    {"dilated, anisotropic", 11, 8, {2, 3}, {1, 2}, {3, 2}, {1, 2}, {2, 1}},
    {"dilated, padding counted", 11, 8, {2, 3}, {1, 2}, {3, 2}, {1, 2}, {2, 1}, true},
    {"ceil mode", 6, 6, {3, 3}, {2, 2}, {1, 1}, {0, 0}, {1, 1}, true, {1, 1}},
    {"whole plane", 49, 70, {49, 70}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
};

/// Calls tap(row, column, inside) for every tap of an output position, written from the definition: position o * stride
/// - pad + k * dilation on a padded plane.
template <typename Tap> void taps(const Case &c, std::int64_t oy, std::int64_t ox, const Tap &tap) {
    for (std::int64_t i = 0; i < c.kernel[0]; ++i)
        for (std::int64_t j = 0; j < c.kernel[1]; ++j) {
            const std::int64_t y = oy * c.strides[0] - c.pads_begin[0] + i * c.dilations[0];
            const std::int64_t x = ox * c.strides[1] - c.pads_begin[1] + j * c.dilations[1];
            tap(y, x, y >= 0 && y < c.height && x >= 0 && x < c.width);
        }
}

std::int64_t counted(const Case &c, std::int64_t oy, std::int64_t ox) {
    std::int64_t count = 0;
    const auto extra = [&](std::size_t axis) { return c.ceil_extra.empty() ? 0 : c.ceil_extra[axis]; };
    taps(c, oy, ox, [&](std::int64_t y, std::int64_t x, bool inside) {
        const bool padded = y < c.height + c.pads_end[0] - extra(0) && x < c.width + c.pads_end[1] - extra(1);
        count += inside || (c.count_include_pad && padded) ? 1 : 0;
    });
    return count;
}

constexpr std::int64_t samples = 2, channels = 3, planes = samples * channels;

} // namespace

TEST_CASE("max pooling and its gradient against the definition") {
    for (const Case &c : cases)
        for (DType dtype : {DType::fp32, DType::fp16, DType::fp64}) {
            CAPTURE(std::string(c.name));
            const std::int64_t oh = c.output(0), ow = c.output(1);
            const Shape in{samples, channels, c.height, c.width}, out{samples, channels, oh, ow};
            // Values on a coarse grid, so that ties occur.
            auto given = normal_values(in.elements(), 3, 4);
            for (double &value : given) value = std::round(value);
            const HostTensor x = tensor(dtype, in, given);
            const auto found = run(operation(OpKind::max_pool, c.pooling()), {x}, {{dtype, out}, {DType::int64, out}});
            const HostTensor dy = normal_tensor(dtype, out, 4);
            const auto back =
                run(operation(OpKind::max_pool_gradient, c.pooling()), {dy, found.outputs[1]}, {{dtype, in}});
            std::vector<double> y, index, dx(given.size());
            const auto slopes = values(dy);
            for (std::int64_t plane = 0; plane < planes; ++plane)
                for (std::int64_t oy = 0; oy < oh; ++oy)
                    for (std::int64_t ox = 0; ox < ow; ++ox) {
                        double best = -infinity;
                        std::int64_t winner = -1;
                        taps(c, oy, ox, [&](std::int64_t row, std::int64_t column, bool inside) {
                            if (!inside) return;
                            const double value =
                                given[static_cast<std::size_t>((plane * c.height + row) * c.width + column)];
                            if (winner < 0 || value > best) {
                                best = value;
                                winner = row * c.width + column;
                            }
                        });
                        y.push_back(best);
                        index.push_back(static_cast<double>(winner));
                        double &sum = dx[static_cast<std::size_t>(plane * c.height * c.width + winner)];
                        const double slope = slopes[y.size() - 1];
                        sum = dtype == DType::fp64 ? sum + slope : static_cast<double>(static_cast<float>(sum + slope));
                    }
            CHECK(found[0] == y);
            CHECK(found[1] == index);
            for (double &value : dx) value = rounded(value, dtype);
            CHECK(back[0] == dx);
        }
}

TEST_CASE("average pooling and its gradient against the definition") {
    for (const Case &c : cases)
        for (DType dtype : {DType::fp32, DType::bf16, DType::fp64}) {
            CAPTURE(std::string(c.name));
            const std::int64_t oh = c.output(0), ow = c.output(1);
            const Shape in{samples, channels, c.height, c.width}, out{samples, channels, oh, ow};
            const HostTensor x = normal_tensor(dtype, in, 5), dy = normal_tensor(dtype, out, 6);
            const auto y = run(operation(OpKind::average_pool, c.pooling()), {x}, {{dtype, out}})[0];
            const auto dx = run(operation(OpKind::average_pool_gradient, c.pooling()), {dy}, {{dtype, in}})[0];
            const DType compute = dtype == DType::fp64 ? DType::fp64 : DType::fp32;
            const auto in_c = [&](double value) { return rounded(value, compute); };
            const auto xs = values(x), slopes = values(dy);
            std::vector<double> expected_y, expected_dx(xs.size());
            for (std::int64_t plane = 0; plane < planes; ++plane)
                for (std::int64_t oy = 0; oy < oh; ++oy)
                    for (std::int64_t ox = 0; ox < ow; ++ox) {
                        double sum = 0;
                        const auto count = static_cast<double>(counted(c, oy, ox));
                        const double share = in_c(slopes[expected_y.size()] / count);
                        taps(c, oy, ox, [&](std::int64_t row, std::int64_t column, bool inside) {
                            if (!inside) return;
                            const auto at = static_cast<std::size_t>((plane * c.height + row) * c.width + column);
                            sum = in_c(sum + xs[at]);
                            expected_dx[at] = in_c(expected_dx[at] + share);
                        });
                        expected_y.push_back(rounded(in_c(sum / count), dtype));
                    }
            for (double &value : expected_dx) value = rounded(value, dtype);
            CHECK(y == expected_y);
            CHECK(dx == expected_dx);
        }
}

TEST_CASE("max pooling: NaN wins, -inf is a value, and one spatial axis works") {
    const ops::Pooling pooling{{2}, {2}, {1}, {0}, {0}, false, {}};
    const HostTensor x = tensor(DType::fp16, {1, 1, 6}, {1, std::nan(""), -infinity, -infinity, 2, 2});
    const auto found =
        run(operation(OpKind::max_pool, pooling), {x}, {{DType::fp16, {1, 1, 3}}, {DType::int64, {1, 1, 3}}});
    CHECK(std::isnan(found[0][0]));
    CHECK(found[0][1] == -infinity);
    CHECK(found[1] == std::vector<double>{1, 2, 4});
}

TEST_CASE("max pooling: NaN wins wherever it is in its window, in rows longer than a SIMD register") {
    constexpr std::int64_t windows = 67;
    for (std::int64_t place = 0; place < 3; ++place) {
        std::vector<double> given(3 * windows, 1.0);
        for (std::int64_t window = 0; window < windows; window += 2)
            given[static_cast<std::size_t>(3 * window + place)] = std::nan("");
        const HostTensor x = tensor(DType::fp32, {1, 1, 3 * windows}, given);
        const Shape out{1, 1, windows};
        const auto found = run(operation(OpKind::max_pool, ops::Pooling{{3}, {3}, {1}, {0}, {0}, false, {}}), {x},
                               {{DType::fp32, out}, {DType::int64, out}});
        const auto y = found[0], index = found[1];
        for (std::int64_t window = 0; window < windows; ++window) {
            CAPTURE(window);
            const auto w = static_cast<std::size_t>(window);
            CHECK(std::isnan(y[w]) == (window % 2 == 0));
            CHECK(index[w] == static_cast<double>(3 * window + (window % 2 == 0 ? place : 0)));
        }
    }
}

TEST_CASE("pooling results do not depend on threads") {
    const Case &c = cases[1];
    const Shape in{8, 16, c.height, c.width}, out{8, 16, c.output(0), c.output(1)};
    const HostTensor x = normal_tensor(DType::fp16, in, 1), dy = normal_tensor(DType::fp16, out, 2);
    const auto twice = [&](OpKind kind, const std::vector<HostTensor> &inputs, const std::vector<OutputOf> &outputs) {
        const auto one = run(operation(kind, c.pooling()), inputs, outputs, 1);
        CHECK(same(one, run(operation(kind, c.pooling()), inputs, outputs, 3)));
        return one;
    };
    const auto pooled = twice(OpKind::max_pool, {x}, {{DType::fp16, out}, {DType::int64, out}});
    twice(OpKind::max_pool_gradient, {dy, pooled.outputs[1]}, {{DType::fp16, in}});
    twice(OpKind::average_pool, {x}, {{DType::fp16, out}});
    twice(OpKind::average_pool_gradient, {dy}, {{DType::fp16, in}});
}

TEST_CASE("nearest resizing reads floor(i * in / out), and its gradient adds back") {
    for (const Shape &out : {Shape{2, 3, 8, 10}, Shape{2, 3, 7, 3}, Shape{4, 3, 4, 5}}) {
        const Shape in{2, 3, 4, 5};
        const HostTensor x = normal_tensor(DType::bf16, in, 1), dy = normal_tensor(DType::fp32, out, 2);
        const auto y = run({OpKind::resize_nearest, {}, {}}, {x}, {{DType::bf16, out}}, 2)[0];
        const auto dx = run({OpKind::resize_nearest_gradient, {}, {}}, {dy}, {{DType::fp32, in}}, 2)[0];
        const auto xs = values(x), slopes = values(dy);
        std::vector<double> expected_y, expected_dx(xs.size());
        for (std::int64_t n = 0; n < out[0]; ++n)
            for (std::int64_t ch = 0; ch < out[1]; ++ch)
                for (std::int64_t i = 0; i < out[2]; ++i)
                    for (std::int64_t j = 0; j < out[3]; ++j) {
                        const auto at = static_cast<std::size_t>(
                            ((n * in[0] / out[0] * in[1] + ch) * in[2] + i * in[2] / out[2]) * in[3] +
                            j * in[3] / out[3]);
                        expected_dx[at] = rounded(expected_dx[at] + slopes[expected_y.size()], DType::fp32);
                        expected_y.push_back(xs[at]);
                    }
        CHECK(y == expected_y);
        CHECK(dx == expected_dx);
    }
}

TEST_CASE("geometry that does not fit is rejected") {
    const ops::Pooling pooling{{2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false, {}};
    const HostTensor x(DType::fp32, {1, 1, 4, 4});
    CHECK_THROWS_WITH_AS(run(operation(OpKind::average_pool, pooling), {x}, {{DType::fp32, {1, 1, 2, 3}}}),
                         "average_pool: spatial axis 1 of size 4 pools to 2 positions, not 3", std::invalid_argument);
    HostTensor index = tensor(DType::int64, {1, 1, 2, 2}, {0, 1, 2, 99});
    const HostTensor dy(DType::fp32, {1, 1, 2, 2});
    CHECK_THROWS_WITH_AS(run(operation(OpKind::max_pool_gradient, pooling), {dy, index}, {{DType::fp32, {1, 1, 4, 4}}}),
                         "max_pool_gradient: index 99 lies outside a plane of 16 elements", std::invalid_argument);
}
