#include "tests/model/autodiff/gradient_case.h"

namespace halfscope::tests {
namespace {

Build product(bool transpose_a, bool transpose_b, double alpha = 1, double beta = 1) {
    return apply({OpKind::matmul, ops::Matmul{transpose_a, transpose_b, alpha, beta, {}}, {}});
}

ops::Convolution window(std::vector<std::int64_t> strides, std::vector<std::int64_t> dilations,
                        std::vector<std::int64_t> pads_begin, std::vector<std::int64_t> pads_end,
                        std::int64_t groups = 1) {
    return {std::move(strides), std::move(dilations), std::move(pads_begin), std::move(pads_end), groups, {}};
}

std::vector<GradientCase> matmul_cases() {
    return {
        {"matmul", {{{3, 4}}, {{4, 5}}}, product(false, false)},
        {"matmul, A transposed", {{{4, 3}}, {{4, 5}}}, product(true, false)},
        {"matmul, B transposed", {{{3, 4}}, {{5, 4}}}, product(false, true)},
        {"matmul, both transposed", {{{4, 3}}, {{5, 4}}}, product(true, true)},
        {"linear on three axes with bias", {{{2, 3, 4}}, {{5, 4}}, {{5}}}, product(false, true)},
        {"batched, A transposed, B a matrix", {{{2, 4, 3}}, {{4, 5}}}, product(true, false)},
        {"A a matrix, B batched", {{{3, 4}}, {{2, 4, 5}}}, product(false, false)},
        {"batches broadcast both ways", {{{2, 1, 3, 4}}, {{3, 5, 4}}}, product(false, true)},
        {"alpha, beta and a column bias", {{{3, 4}}, {{4, 5}}, {{3, 1}}}, product(false, false, 0.5, -2)},
        {"attention", {{{2, 2, 3, 4}}, {{2, 2, 3, 4}}}, product(false, true, 0.5)},
    };
}

std::vector<GradientCase> convolution_cases() {
    const auto convolve = [](ops::Convolution attributes) {
        return apply({OpKind::convolution, std::move(attributes), {}});
    };
    const auto transposed = [](ops::Convolution attributes, const Shape &out) {
        return apply({OpKind::convolution_input_gradient, std::move(attributes), {}}, out);
    };
    return {
        {"convolution", {{{2, 3, 5, 6}}, {{4, 3, 3, 3}}, {{4}}}, convolve({})},
        {"convolution, strided and padded unevenly",
         {{{2, 2, 6, 5}}, {{3, 2, 3, 2}}},
         convolve(window({2, 1}, {1, 1}, {1, 0}, {0, 1}))},
        {"convolution, dilated", {{{1, 2, 7, 7}}, {{2, 2, 2, 3}}}, convolve(window({1, 2}, {3, 2}, {1, 1}, {1, 1}))},
        {"convolution, grouped",
         {{{2, 4, 4, 4}}, {{6, 2, 3, 3}}, {{6}}},
         convolve(window({1, 1}, {1, 1}, {1, 1}, {1, 1}, 2))},
        {"convolution, depthwise",
         {{{2, 3, 4, 4}}, {{3, 1, 3, 3}}},
         convolve(window({2, 2}, {1, 1}, {1, 1}, {1, 1}, 3))},
        {"convolution over a line", {{{2, 3, 8}}, {{4, 3, 3}}, {{4}}}, convolve(window({2}, {1}, {1}, {1}))},
        {"convolution of volumes",
         {{{1, 2, 4, 3, 5}}, {{4, 1, 3, 2, 3}}, {{4}}},
         convolve(window({2, 1, 2}, {1, 1, 1}, {1, 0, 1}, {1, 1, 1}, 2))},
        {"transposed convolution of volumes",
         {{{1, 2, 2, 3, 2}}, {{2, 2, 3, 2, 2}}},
         transposed(window({2, 1, 2}, {1, 1, 1}, {1, 0, 0}, {1, 0, 0}), {1, 2, 3, 4, 4})},
        {"transposed convolution",
         {{{2, 3, 3, 4}}, {{3, 2, 3, 3}}},
         transposed(window({2, 2}, {1, 1}, {1, 1}, {1, 1}), {2, 2, 6, 7})},
        {"transposed convolution, grouped",
         {{{1, 4, 3}}, {{4, 2, 2}}},
         transposed(window({2}, {1}, {0}, {0}, 2), {1, 4, 6})},
    };
}

std::vector<GradientCase> pooling_cases() {
    const auto pool = [](OpKind kind, std::vector<std::int64_t> kernel, std::vector<std::int64_t> strides,
                         std::vector<std::int64_t> pads, bool count_pad = false) {
        ops::Pooling attributes;
        attributes.kernel = std::move(kernel);
        attributes.strides = std::move(strides);
        attributes.pads_begin = attributes.pads_end = std::move(pads);
        attributes.count_include_pad = count_pad;
        return apply({kind, attributes, {}});
    };
    const Trained x{{2, 2, 6, 6}, -1, 1, {}, true};
    return {
        {"max_pool", {x}, pool(OpKind::max_pool, {2, 2}, {2, 2}, {0, 0})},
        {"max_pool, overlapping and padded", {x}, pool(OpKind::max_pool, {3, 3}, {2, 2}, {1, 1})},
        {"max_pool over a line", {{{2, 2, 9}, -1, 1, {}, true}}, pool(OpKind::max_pool, {3}, {1}, {1})},
        {"max_pool of volumes",
         {{{1, 2, 4, 5, 4}, -1, 1, {}, true}},
         pool(OpKind::max_pool, {3, 2, 2}, {1, 2, 2}, {1, 0, 0})},
        {"average_pool of volumes", {{{1, 2, 4, 5, 4}}}, pool(OpKind::average_pool, {2, 3, 2}, {2, 1, 1}, {0, 1, 0})},
        {"average_pool", {x}, pool(OpKind::average_pool, {2, 3}, {2, 1}, {0, 0})},
        {"average_pool, pad not counted", {x}, pool(OpKind::average_pool, {3, 3}, {2, 2}, {1, 1})},
        {"average_pool, pad counted", {x}, pool(OpKind::average_pool, {3, 3}, {2, 2}, {1, 1}, true)},
        {"resize_nearest up", {{{1, 2, 3, 3}}}, apply(op(OpKind::resize_nearest), Shape{1, 2, 6, 7})},
        {"resize_nearest down", {x}, apply(op(OpKind::resize_nearest), Shape{2, 2, 4, 3}), false},
    };
}

} // namespace

std::vector<GradientCase> product_cases() {
    std::vector<GradientCase> cases;
    for (auto &&part : {matmul_cases(), convolution_cases(), pooling_cases()})
        cases.insert(cases.end(), part.begin(), part.end());
    return cases;
}

TEST_CASE("gradients of matrix products") { check_all(matmul_cases()); }
TEST_CASE("gradients of convolutions") { check_all(convolution_cases()); }
TEST_CASE("gradients of pooling and resizing") { check_all(pooling_cases()); }

} // namespace halfscope::tests
