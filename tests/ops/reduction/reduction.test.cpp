// Reductions against the definition replayed element by element, and against sums in higher precision.
#include "emulation/ops/reduction/tree.h"
#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

#include <numeric>

using namespace halfscope;
using ops::DType;
using ops::OpKind;
using ops::Shape;

namespace {

/// tree() of operation.h, word by word, in float: no templates, no chunks kept in place.
float replayed(const std::vector<float> &x, float start, float (*combine)(float, float)) {
    if (x.size() > 4096) {
        std::vector<float> chunks;
        for (std::size_t first = 0; first < x.size(); first += 4096)
            chunks.push_back(replayed({x.begin() + static_cast<std::ptrdiff_t>(first),
                                       x.begin() + static_cast<std::ptrdiff_t>(std::min(first + 4096, x.size()))},
                                      start, combine));
        return replayed(chunks, start, combine);
    }
    float lanes[32];
    for (std::size_t lane = 0; lane < 32; ++lane) {
        lanes[lane] = std::isnan(start) ? x[0] : start;
        for (std::size_t i = lane; i < x.size(); i += 32) lanes[lane] = combine(lanes[lane], x[i]);
    }
    for (const std::size_t distance : {16, 8, 4, 2, 1})
        for (std::size_t lane = 0; lane < distance; ++lane) lanes[lane] = combine(lanes[lane], lanes[lane + distance]);
    return lanes[0];
}

constexpr float from_the_first = std::numeric_limits<float>::quiet_NaN();

float sum_of(float a, float b) { return a + b; }
float product_of(float a, float b) { return a * b; }
float larger_of(float a, float b) { return std::isnan(a) || std::isnan(b) ? from_the_first : b > a ? b : a; }
float smaller_of(float a, float b) { return std::isnan(a) || std::isnan(b) ? from_the_first : b < a ? b : a; }

/// The elements of each result, in row-major order of the reduced axes.
std::vector<std::vector<float>> gathered(const std::vector<double> &values, const Shape &shape, std::vector<int> axes) {
    if (axes.empty())
        for (int axis = 0; axis < shape.rank(); ++axis) axes.push_back(axis);
    std::vector<std::vector<float>> groups;
    for (std::int64_t flat = 0; flat < shape.elements(); ++flat) {
        std::int64_t rest = flat, result = 0, stride = 1;
        for (int axis = shape.rank() - 1; axis >= 0; --axis) {
            const std::int64_t index = rest % shape[axis];
            rest /= shape[axis];
            if (std::find(axes.begin(), axes.end(), axis) != axes.end()) continue;
            result += index * stride;
            stride *= shape[axis];
        }
        if (groups.size() <= static_cast<std::size_t>(result)) groups.resize(static_cast<std::size_t>(result) + 1);
        groups[static_cast<std::size_t>(result)].push_back(static_cast<float>(values[static_cast<std::size_t>(flat)]));
    }
    return groups;
}

float wanted(OpKind kind, std::vector<float> x) {
    switch (kind) {
    case OpKind::reduce_sum: return replayed(x, 0, sum_of);
    case OpKind::reduce_mean: return replayed(x, 0, sum_of) / static_cast<float>(x.size());
    case OpKind::reduce_max: return replayed(x, from_the_first, larger_of);
    case OpKind::reduce_min: return replayed(x, from_the_first, smaller_of);
    case OpKind::reduce_product: return replayed(x, 1, product_of);
    default:
        for (float &v : x) v *= v;
        return replayed(x, 0, sum_of);
    }
}

struct Layout {
    Shape shape;
    std::vector<int> axes;
};

const std::vector<Layout> layouts{
    {{7}, {}},
    {{7}, {0}},
    {{40}, {0}},
    {{4096}, {0}},
    {{4097}, {0}},
    {{70000}, {0}},
    {{5, 33}, {1}},
    {{5, 33}, {0}},
    {{5, 33}, {}},
    {{3, 5000}, {1}},
    {{5000, 3}, {0}},          // chunks of rows
    {{300, 200}, {0}},         // several blocks of columns
    {{4, 6, 5, 7}, {0, 2, 3}}, // a bias gradient
    {{9, 2, 40, 40}, {0, 2, 3}},
    {{4, 6, 5, 7}, {1}},
    {{4, 6, 5, 7}, {0, 2}},
    {{4, 6, 5, 7}, {1, 3}},
    {{4, 6, 5, 7}, {2, 3}},
    {{4, 6, 5, 7}, {0, 1, 2}},
    {{2, 1, 3, 1, 5}, {1, 3}}, // nothing but axes of one element
    {{2, 1, 3, 1, 5}, {1, 2, 3}},
    {{2, 3, 2, 3, 2, 3}, {0, 2, 4}},
    {{2, 3, 2, 3, 2, 3}, {1, 3, 5}},
    {{}, {}},
};

Shape kept(const Layout &layout) {
    Shape out;
    for (int axis = 0; axis < layout.shape.rank(); ++axis)
        if (!layout.axes.empty() && std::find(layout.axes.begin(), layout.axes.end(), axis) == layout.axes.end())
            out.append(layout.shape[axis]);
    return out;
}

} // namespace

TEST_CASE("every reduction over every kind of axes is the tree of operation.h, bit by bit") {
    for (const Layout &layout : layouts) {
        for (const OpKind kind : {OpKind::reduce_sum, OpKind::reduce_mean, OpKind::reduce_max, OpKind::reduce_min,
                                  OpKind::reduce_product, OpKind::reduce_sum_squares}) {
            for (const DType dtype : {DType::fp32, DType::fp16, DType::bf16}) {
                const bool product = kind == OpKind::reduce_product;
                const auto x = test::normal_tensor(dtype, layout.shape, 5, product ? 0.05 : 1, product ? 1 : 0.1);
                const auto groups = gathered(test::values(x), layout.shape, layout.axes);
                const auto operation = test::operation(kind, ops::Reduction{layout.axes, false});
                const auto got = test::run(operation, {x}, {{DType::fp32, kept(layout)}}, 2);
                const auto results = got[0];
                CAPTURE(name_of(kind));
                CAPTURE(layout.shape.text());
                CAPTURE(kept(layout).text());
                CAPTURE(name_of(dtype));
                REQUIRE(results.size() == groups.size());
                std::size_t wrong = 0;
                for (std::size_t i = 0; i < groups.size(); ++i)
                    wrong += static_cast<float>(results[i]) != wanted(kind, groups[i]);
                CHECK(wrong == 0);
                CHECK(test::same(got, test::run(operation, {x}, {{DType::fp32, kept(layout)}}, 5)));
            }
        }
    }
}

TEST_CASE("sums lie as near to the exact one as the tree's depth allows") {
    for (const Layout &layout : layouts) {
        const auto x = test::normal_tensor(DType::fp32, layout.shape, 6);
        const auto groups = gathered(test::values(x), layout.shape, layout.axes);
        for (const DType stored : {DType::fp32, DType::fp16}) {
            const auto got = test::run(test::operation(OpKind::reduce_sum, ops::Reduction{layout.axes, false}), {x},
                                       {{stored, kept(layout)}})[0];
            for (std::size_t i = 0; i < groups.size(); ++i) {
                long double exact = 0, magnitude = 0;
                for (const float v : groups[i]) {
                    exact += static_cast<long double>(v);
                    magnitude += std::fabs(static_cast<long double>(v));
                }
                const double depth = test::tree_depth(static_cast<std::int64_t>(groups[i].size()));
                const double bound = test::steps_error(depth) * static_cast<double>(magnitude);
                CHECK(std::fabs(got[i] - static_cast<double>(exact)) <=
                      bound + test::rounding_error(static_cast<double>(exact) + bound, stored));
            }
        }
    }
}

TEST_CASE("fp64 operands are reduced in double") {
    const auto x = test::normal_tensor(DType::fp64, {3, 5000}, 7);
    const auto given = test::values(x);
    const auto got =
        test::run(test::operation(OpKind::reduce_sum, ops::Reduction{{1}, false}), {x}, {{DType::fp64, {3}}})[0];
    for (std::size_t row = 0; row < 3; ++row) {
        long double exact = 0, magnitude = 0;
        for (std::size_t i = 0; i < 5000; ++i) {
            exact += static_cast<long double>(given[row * 5000 + i]);
            magnitude += std::fabs(static_cast<long double>(given[row * 5000 + i]));
        }
        CHECK(std::fabs(got[row] - static_cast<double>(exact)) <=
              test::steps_error(test::tree_depth(5000), DType::fp64) * static_cast<double>(magnitude));
    }
}

TEST_CASE("maxima and minima pass NaN on, from wherever it stands") {
    for (const std::int64_t n : {1, 31, 100, 5000}) {
        for (const std::int64_t at : {std::int64_t{0}, n / 2, n - 1}) {
            for (const Shape &shape : {Shape{n}, Shape{n, 2}}) {
                auto values = test::normal_values(shape.elements(), 8);
                values[static_cast<std::size_t>(at * (shape.rank() == 2 ? 2 : 1))] = std::nan("");
                const auto x = test::tensor(DType::fp16, shape, values);
                for (const OpKind kind : {OpKind::reduce_max, OpKind::reduce_min}) {
                    const auto got = test::run(test::operation(kind, ops::Reduction{{0}, false}), {x},
                                               {{DType::fp32, shape.rank() == 2 ? Shape{2} : Shape{}}})[0];
                    CHECK(std::isnan(got[0]));
                    if (shape.rank() == 2) CHECK(!std::isnan(got[1]));
                }
            }
        }
    }
}

TEST_CASE("the array forms of tree.h are the tree over their terms") {
    for (const std::int64_t n : {1, 31, 32, 33, 1000, 4096, 4097, 9000}) {
        std::vector<float> x, y, products, squares, differences;
        for (const double v : test::normal_values(n, 9)) x.push_back(static_cast<float>(v));
        for (const double v : test::normal_values(n, 10)) y.push_back(static_cast<float>(v));
        for (std::size_t i = 0; i < x.size(); ++i) {
            products.push_back(x[i] * y[i]);
            squares.push_back(x[i] * x[i]);
            differences.push_back((x[i] - 0.25f) * (x[i] - 0.25f));
        }
        namespace r = ops::reduction;
        CHECK(r::tree_sum(x.data(), n) == replayed(x, 0, sum_of));
        CHECK(r::tree_max(x.data(), n) == replayed(x, from_the_first, larger_of));
        CHECK(r::tree_sum_products(x.data(), y.data(), n) == replayed(products, 0, sum_of));
        CHECK(r::tree_sum_squares(x.data(), n) == replayed(squares, 0, sum_of));
        CHECK(r::tree_sum_squared_differences(x.data(), 0.25f, n) == replayed(differences, 0, sum_of));
    }
    CHECK(std::bit_cast<std::uint32_t>(ops::reduction::tree_sum<float>(nullptr, 0)) == 0);
}

TEST_CASE("int64 reductions") {
    const auto x = test::tensor(DType::int64, {2, 3}, {1, 2, 3, -4, 5, -6});
    const auto got = [&](OpKind kind, std::vector<int> axes, const Shape &shape) {
        return test::run(test::operation(kind, ops::Reduction{std::move(axes), false}), {x},
                         {{DType::int64, shape}})[0];
    };
    using Row = std::vector<double>;
    CHECK(got(OpKind::reduce_sum, {1}, {2}) == Row{6, -5});
    CHECK(got(OpKind::reduce_sum, {0}, {3}) == Row{-3, 7, -3});
    CHECK(got(OpKind::reduce_product, {}, {}) == Row{720});
    CHECK(got(OpKind::reduce_max, {1}, {2}) == Row{3, 5});
    CHECK(got(OpKind::reduce_min, {0}, {3}) == Row{-4, 2, -6});
    CHECK(got(OpKind::reduce_mean, {1}, {2}) == Row{2, -1});
    const auto flags = test::tensor(DType::boolean, {4}, {1, 0, 1, 1});
    CHECK(test::run(test::operation(OpKind::reduce_sum, ops::Reduction{}), {flags}, {{DType::int64, {}}})[0] == Row{3});
}

TEST_CASE("argmax: the first of equals, NaN before all numbers") {
    const double nan_value = std::nan("");
    const auto x =
        test::tensor(DType::fp16, {3, 4}, {1, 3, 3, 2, /**/ -1, nan_value, 5, nan_value, /**/ 0, -0.0, -2, 0});
    const auto along = [&](int axis, const Shape &shape) {
        return test::run(test::operation(OpKind::argmax, ops::Reduction{{axis}, false}), {x},
                         {{DType::int64, shape}})[0];
    };
    using Row = std::vector<double>;
    CHECK(along(1, {3}) == Row{1, 1, 0});
    CHECK(along(0, {4}) == Row{0, 1, 1, 1});
    const auto integers = test::tensor(DType::int64, {4}, {1, 9, 9, -4});
    CHECK(test::run(test::operation(OpKind::argmax, ops::Axis{0}), {integers}, {{DType::int64, {}}})[0] == Row{1});
}

TEST_CASE("top_k: the largest first, of equals the lower index first, NaN before all numbers") {
    const double nan_value = std::nan("");
    const auto x =
        test::tensor(DType::bf16, {3, 4}, {1, 3, 3, 2, /**/ -1, nan_value, 5, nan_value, /**/ 0, -0.0, -2, 0});
    using Row = std::vector<double>;
    const auto along = [&](int axis, const Shape &shape) {
        return test::run(test::operation(OpKind::top_k, ops::Axis{axis}), {x}, {{DType::int64, shape}})[0];
    };
    CHECK(along(1, {3, 3}) == Row{1, 2, 3, /**/ 1, 3, 2, /**/ 0, 1, 3});
    CHECK(along(1, {3, 4}) == Row{1, 2, 3, 0, /**/ 1, 3, 2, 0, /**/ 0, 1, 3, 2});
    CHECK(along(0, {2, 4}) == Row{0, 1, 1, 1, /**/ 2, 0, 0, 0});
    CHECK(along(0, {0, 4}) == Row{});
    CHECK_THROWS_AS(along(1, {3, 5}), std::invalid_argument);
    CHECK_THROWS_AS(along(1, {2, 4}), std::invalid_argument);
    const auto integers = test::tensor(DType::int64, {4}, {1, 9, 9, -4});
    CHECK(test::run(test::operation(OpKind::top_k, ops::Axis{0}), {integers}, {{DType::int64, {3}}})[0] ==
          Row{1, 2, 0});
}

TEST_CASE("top_k agrees with a sort of any line") {
    constexpr std::size_t lines = 5, length = 37, after = 3, kept = 7;
    const test::HostTensor x = test::normal_tensor(DType::fp16, {lines, length, after}, 11);
    const auto k =
        test::run(test::operation(OpKind::top_k, ops::Axis{1}), {x}, {{DType::int64, {lines, kept, after}}})[0];
    const auto all = test::values(x);
    for (std::size_t i = 0; i < lines; ++i)
        for (std::size_t a = 0; a < after; ++a) {
            std::vector<std::size_t> order(length);
            std::iota(order.begin(), order.end(), std::size_t{0});
            std::stable_sort(order.begin(), order.end(), [&](std::size_t l, std::size_t r) {
                return all[(i * length + l) * after + a] > all[(i * length + r) * after + a];
            });
            for (std::size_t place = 0; place < kept; ++place)
                CHECK(k[(i * kept + place) * after + a] == static_cast<double>(order[place]));
        }
}

TEST_CASE("running sums add in order, each result rounded on its own") {
    const Shape shape{3, 50, 4};
    const auto x = test::normal_tensor(DType::fp16, shape, 12);
    const auto given = test::values(x);
    const auto got = test::run(test::operation(OpKind::cumulative_sum, ops::Axis{1}), {x}, {{DType::fp16, shape}})[0];
    for (std::size_t plane = 0; plane < 3; ++plane)
        for (std::size_t column = 0; column < 4; ++column) {
            float sum = 0;
            for (std::size_t row = 0; row < 50; ++row) {
                const std::size_t at = plane * 200 + row * 4 + column;
                sum += static_cast<float>(given[at]);
                CHECK(got[at] == test::rounded(static_cast<double>(sum), DType::fp16));
            }
        }
    const auto integers = test::tensor(DType::int64, {4}, {1, 2, -7, 4});
    CHECK(test::run(test::operation(OpKind::cumulative_sum, ops::Axis{0}), {integers}, {{DType::int64, {4}}})[0] ==
          std::vector<double>{1, 3, -4, 0});
}

TEST_CASE("what does not fit is rejected by name") {
    const auto message = [](const ops::Reduction &attributes, const Shape &shape, const test::OutputOf &out,
                            OpKind kind = OpKind::reduce_sum) {
        try {
            test::run(test::operation(kind, attributes), {ops::HostTensor(DType::fp32, shape)}, {out});
        } catch (const std::invalid_argument &error) {
            return std::string(error.what());
        }
        return std::string("accepted");
    };
    CHECK(message({{2}, false}, {2, 3}, {DType::fp32, {2}}) == "reduce_sum: axis 2 does not exist in shape [2, 3]");
    CHECK(message({{1}, false}, {2, 3}, {DType::fp32, {3}}) == "reduce_sum: reducing [2, 3] does not give [3]");
    CHECK(message({{1}, true}, {2, 3}, {DType::fp32, {2, 1}}) == "accepted");
    CHECK(message({{1}, false}, {2, 0}, {DType::fp32, {2}}) == "accepted");
    CHECK(message({{1}, false}, {2, 0}, {DType::fp32, {2}}, OpKind::reduce_max) ==
          "reduce_max: there is no element to choose from in shape [2, 0]");
}
