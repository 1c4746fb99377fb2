// Pooling over three spatial axes against the definition: every tap of every window, in row-major order.
#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

#include <array>
#include <limits>

using namespace halfscope;
using namespace halfscope::test;

namespace {

using Triple = std::array<std::int64_t, 3>;

struct Case {
    const char *name;
    Triple in, kernel, stride, dilation, before, after;
    bool count_padding = false;
    Triple ceil_extra{0, 0, 0};

    [[nodiscard]] ops::Pooling pooling() const {
        const auto list = [](const Triple &t) { return std::vector<std::int64_t>(t.begin(), t.end()); };
        return {list(kernel), list(stride), list(dilation), list(before), list(after), count_padding, list(ceil_extra)};
    }
    [[nodiscard]] std::int64_t out(std::size_t axis) const {
        return (in[axis] + before[axis] + after[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1;
    }
};

const std::vector<Case> cases{
    {"2x2x2", {4, 6, 8}, {2, 2, 2}, {2, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {"overlapping with padding", {5, 6, 7}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
    {"padding counted", {5, 6, 7}, {3, 3, 3}, {2, 1, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, true},
    {"dilated, anisotropic", {9, 7, 8}, {3, 2, 3}, {2, 1, 3}, {2, 3, 1}, {2, 1, 0}, {1, 2, 1}},
    {"ceil mode", {6, 6, 5}, {3, 3, 2}, {2, 2, 2}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}, true, {1, 1, 1}},
};
constexpr std::int64_t samples = 2, channels = 3;

struct Window {
    std::vector<std::size_t> taps; ///< places in the volume, row-major
    std::int64_t counted = 0;      ///< taps on the input or on padding that counts
};

/// The windows of one volume, in row-major order.
std::vector<Window> windows_of(const Case &c) {
    std::vector<Window> windows;
    for (std::int64_t o = 0; o < c.out(0) * c.out(1) * c.out(2); ++o) {
        const Triple at{o / c.out(2) / c.out(1), o / c.out(2) % c.out(1), o % c.out(2)};
        Window window;
        for (std::int64_t k = 0; k < c.kernel[0] * c.kernel[1] * c.kernel[2]; ++k) {
            const Triple tap{k / c.kernel[2] / c.kernel[1], k / c.kernel[2] % c.kernel[1], k % c.kernel[2]};
            bool inside = true, padded = true;
            std::size_t place = 0;
            for (std::size_t axis = 0; axis < 3; ++axis) {
                const std::int64_t p = at[axis] * c.stride[axis] - c.before[axis] + tap[axis] * c.dilation[axis];
                inside = inside && p >= 0 && p < c.in[axis];
                padded = padded && p < c.in[axis] + c.after[axis] - c.ceil_extra[axis];
                place = place * static_cast<std::size_t>(c.in[axis]) + static_cast<std::size_t>(p);
            }
            if (inside) window.taps.push_back(place);
            if (inside || (c.count_padding && padded)) ++window.counted;
        }
        windows.push_back(std::move(window));
    }
    return windows;
}

Shape volume(std::int64_t d, std::int64_t h, std::int64_t w) { return {samples, channels, d, h, w}; }

double in_fp32(double value) { return rounded(value, DType::fp32); }

} // namespace

TEST_CASE("max pooling of volumes and its gradient") {
    for (const Case &c : cases) {
        CAPTURE(std::string(c.name));
        const auto windows = windows_of(c);
        const Shape in = volume(c.in[0], c.in[1], c.in[2]), out = volume(c.out(0), c.out(1), c.out(2));
        const auto size = static_cast<std::size_t>(c.in[0] * c.in[1] * c.in[2]);
        auto given = normal_values(in.elements(), 3, 4);
        for (double &value : given) value = std::round(value); // ties occur
        const HostTensor x = tensor(DType::fp16, in, given), dy = normal_tensor(DType::fp16, out, 4);
        const auto found =
            run(operation(OpKind::max_pool, c.pooling()), {x}, {{DType::fp16, out}, {DType::int64, out}});
        const auto back =
            run(operation(OpKind::max_pool_gradient, c.pooling()), {dy, found.outputs[1]}, {{DType::fp16, in}})[0];
        const auto slopes = values(dy);
        std::vector<double> y, index, dx(given.size());
        for (std::size_t plane = 0; plane < samples * channels; ++plane)
            for (const Window &window : windows) {
                std::size_t winner = window.taps.at(0);
                for (const std::size_t tap : window.taps)
                    if (given[plane * size + tap] > given[plane * size + winner]) winner = tap;
                dx[plane * size + winner] = in_fp32(dx[plane * size + winner] + slopes[y.size()]);
                y.push_back(given[plane * size + winner]);
                index.push_back(static_cast<double>(winner));
            }
        CHECK(found[0] == y);
        CHECK(found[1] == index);
        for (double &value : dx) value = rounded(value, DType::fp16);
        CHECK(back == dx);
    }
}

TEST_CASE("average pooling of volumes and its gradient") {
    for (const Case &c : cases) {
        CAPTURE(std::string(c.name));
        const auto windows = windows_of(c);
        const Shape in = volume(c.in[0], c.in[1], c.in[2]), out = volume(c.out(0), c.out(1), c.out(2));
        const auto size = static_cast<std::size_t>(c.in[0] * c.in[1] * c.in[2]);
        const HostTensor x = normal_tensor(DType::bf16, in, 5), dy = normal_tensor(DType::bf16, out, 6);
        const auto y = run(operation(OpKind::average_pool, c.pooling()), {x}, {{DType::bf16, out}})[0];
        const auto dx = run(operation(OpKind::average_pool_gradient, c.pooling()), {dy}, {{DType::bf16, in}})[0];
        const auto xs = values(x), slopes = values(dy);
        std::vector<double> expected_y, expected_dx(xs.size());
        for (std::size_t plane = 0; plane < samples * channels; ++plane)
            for (const Window &window : windows) {
                const auto count = static_cast<double>(window.counted);
                const double share = in_fp32(slopes[expected_y.size()] / count);
                double sum = 0;
                for (const std::size_t tap : window.taps) {
                    sum = in_fp32(sum + xs[plane * size + tap]);
                    expected_dx[plane * size + tap] = in_fp32(expected_dx[plane * size + tap] + share);
                }
                expected_y.push_back(rounded(in_fp32(sum / count), DType::bf16));
            }
        for (double &value : expected_dx) value = rounded(value, DType::bf16);
        CHECK(y == expected_y);
        CHECK(dx == expected_dx);
    }
}
