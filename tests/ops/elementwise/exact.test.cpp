// Results that are not rounded: casts, comparisons, logic, int64 arithmetic, fill.
#include "tests/ops/elementwise/little_rounder.h"
#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

#include <limits>

using namespace halfscope;
using ops::DType;
using ops::HostTensor;
using ops::OpKind;
using ops::Shape;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

HostTensor integers(const std::vector<std::int64_t> &values) {
    HostTensor tensor(DType::int64, Shape{static_cast<std::int64_t>(values.size())});
    std::copy(values.begin(), values.end(), tensor.as<std::int64_t>().begin());
    return tensor;
}

std::vector<std::int64_t> integers_of(const HostTensor &tensor) {
    const auto span = tensor.as<std::int64_t>();
    return {span.begin(), span.end()};
}

HostTensor run(OpKind kind, const std::vector<HostTensor> &inputs, DType stored, ops::Scalars scalars = {}) {
    Shape shape;
    for (const auto &input : inputs)
        if (input.shape.rank() > shape.rank()) shape = input.shape;
    return test::run(test::operation(kind, scalars), inputs, {{stored, shape}}).outputs[0];
}

} // namespace

TEST_CASE("cast between all floating types: widening is exact, narrowing is one rounding") {
    for (const DType from : {DType::fp16, DType::bf16}) {
        const auto all = tests::all_values(from);
        for (const DType to : {DType::fp16, DType::bf16, DType::fp32, DType::fp64}) {
            const HostTensor got = run(OpKind::cast, {all}, to);
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < 1u << 16; ++i) {
                const double value = tests::element(all, i);
                const double wanted = to == DType::fp64 ? value : tests::rounded(value, tests::grid_of(to));
                const double found = tests::element(got, i);
                wrong += std::isnan(wanted) ? !std::isnan(found)
                                            : found != wanted || std::signbit(found) != std::signbit(wanted);
            }
            CAPTURE(name_of(from));
            CAPTURE(name_of(to));
            CHECK(wrong == 0);
        }
    }
}

TEST_CASE("cast from int64 to 16 bits rounds once") {
    // Values that fp32 would round onto a tie of bf16.
    std::vector<std::int64_t> values{0,
                                     1,
                                     -1,
                                     65504,
                                     65519,
                                     65520,
                                     -65520,
                                     (std::int64_t{257} << 30) + 1,
                                     (std::int64_t{257} << 30) - 1,
                                     -((std::int64_t{257} << 30) + 1),
                                     (std::int64_t{259} << 40) - 1,
                                     std::numeric_limits<std::int64_t>::max(),
                                     std::numeric_limits<std::int64_t>::min()};
    std::mt19937_64 engine(3);
    for (int i = 0; i < 4000; ++i) values.push_back(static_cast<std::int64_t>(engine()) >> engine() % 60);
    for (const DType to : {DType::fp16, DType::bf16}) {
        const HostTensor got = run(OpKind::cast, {integers(values)}, to);
        for (std::size_t i = 0; i < values.size(); ++i) {
            // The integer split so that both parts are doubles: the sticky part only breaks ties.
            const std::int64_t high = values[i] / 4096 * 4096, low = values[i] - high;
            double value = static_cast<double>(values[i]);
            if (static_cast<double>(high) + static_cast<double>(low) != value || std::fabs(value) > 0x1p52)
                value = std::nextafter(static_cast<double>(high), static_cast<double>(high) + static_cast<double>(low));
            CAPTURE(values[i]);
            CHECK(tests::element(got, i) == tests::rounded(value, tests::grid_of(to)));
        }
    }
}

TEST_CASE("cast to int64 truncates; to boolean asks whether the value is not zero") {
    const auto x = test::tensor(DType::fp32, {9}, {2.9, -2.9, 0.0, -0.0, 0.4, inf, -inf, nan_value, 0x1p63});
    constexpr auto most = std::numeric_limits<std::int64_t>::max(), least = std::numeric_limits<std::int64_t>::min();
    CHECK(integers_of(run(OpKind::cast, {x}, DType::int64)) ==
          std::vector<std::int64_t>{2, -2, 0, 0, 0, most, least, 0, most});
    CHECK(test::values(run(OpKind::cast, {x}, DType::boolean)) == std::vector<double>{1, 1, 0, 0, 1, 1, 1, 1, 1});
    CHECK(test::values(run(OpKind::cast, {integers({0, -3, 1})}, DType::boolean)) == std::vector<double>{0, 1, 1});
    const auto flags = test::tensor(DType::boolean, {2}, {1, 0});
    CHECK(integers_of(run(OpKind::cast, {flags}, DType::int64)) == std::vector<std::int64_t>{1, 0});
    CHECK(test::values(run(OpKind::cast, {flags}, DType::fp16)) == std::vector<double>{1, 0});
    CHECK(test::values(run(OpKind::cast, {integers({7, -9})}, DType::fp64)) == std::vector<double>{7, -9});
}

TEST_CASE("comparisons and logic") {
    const std::vector<double> a{1, 2, 3, nan_value, nan_value, -0.0, inf}, b{2, 2, 2, 1, nan_value, 0.0, inf};
    using Row = std::vector<double>;
    for (const DType dtype : {DType::fp16, DType::bf16, DType::fp32, DType::fp64}) {
        const auto x = test::tensor(dtype, {7}, a), y = test::tensor(DType::fp32, {7}, b);
        const auto got = [&](OpKind kind) { return test::values(run(kind, {x, y}, DType::boolean)); };
        CHECK(got(OpKind::equal) == Row{0, 1, 0, 0, 0, 1, 1});
        CHECK(got(OpKind::less) == Row{1, 0, 0, 0, 0, 0, 0});
        CHECK(got(OpKind::less_equal) == Row{1, 1, 0, 0, 0, 1, 1});
        CHECK(got(OpKind::greater) == Row{0, 0, 1, 0, 0, 0, 0});
        CHECK(got(OpKind::greater_equal) == Row{0, 1, 1, 0, 0, 1, 1});
        CHECK(test::values(run(OpKind::is_nan, {x}, DType::boolean)) == Row{0, 0, 0, 1, 1, 0, 0});
    }
    // int64 is compared as int64: these two are one double.
    const std::int64_t large = std::int64_t{1} << 53;
    CHECK(test::values(run(OpKind::less, {integers({large}), integers({large + 1})}, DType::boolean)) == Row{1});
    CHECK(test::values(run(OpKind::equal, {integers({large}), integers({large + 1})}, DType::boolean)) == Row{0});
    const auto p = test::tensor(DType::boolean, {4}, {0, 0, 1, 1}), q = test::tensor(DType::boolean, {4}, {0, 1, 0, 1});
    CHECK(test::values(run(OpKind::logical_and, {p, q}, DType::boolean)) == Row{0, 0, 0, 1});
    CHECK(test::values(run(OpKind::logical_or, {p, q}, DType::boolean)) == Row{0, 1, 1, 1});
    CHECK(test::values(run(OpKind::logical_not, {p}, DType::boolean)) == Row{1, 1, 0, 0});
}

TEST_CASE("int64 arithmetic") {
    constexpr auto most = std::numeric_limits<std::int64_t>::max(), least = std::numeric_limits<std::int64_t>::min();
    const auto a = integers({7, -7, 7, -7, most, least, 5}), b = integers({2, 2, -2, -2, 1, -1, 0});
    using Row = std::vector<std::int64_t>;
    const auto got = [&](OpKind kind, ops::Scalars scalars = {}) {
        return integers_of(run(kind, {a, b}, DType::int64, scalars));
    };
    CHECK(got(OpKind::add) == Row{9, -5, 5, -9, least, most, 5});
    CHECK(got(OpKind::subtract) == Row{5, -9, 9, -5, most - 1, least + 1, 5});
    CHECK(got(OpKind::multiply) == Row{14, -14, -14, 14, most, least, 0});
    CHECK(got(OpKind::divide) == Row{3, -3, -3, 3, most, least, 0});
    CHECK(got(OpKind::modulo, {0}) == Row{1, 1, -1, -1, 0, 0, 0});
    CHECK(got(OpKind::modulo, {1}) == Row{1, -1, 1, -1, 0, 0, 0});
    CHECK(got(OpKind::minimum) == Row{2, -7, -2, -7, 1, least, 0});
    CHECK(got(OpKind::maximum) == Row{7, 2, 7, -2, most, -1, 5});
    CHECK(got(OpKind::power) == Row{49, 49, 0, 0, most, 0, 1});
    const auto one = [&](OpKind kind, ops::Scalars scalars = {}) {
        return integers_of(run(kind, {a}, DType::int64, scalars));
    };
    CHECK(one(OpKind::negate) == Row{-7, 7, -7, 7, -most, least, -5});
    CHECK(one(OpKind::absolute) == Row{7, 7, 7, 7, most, least, 5});
    CHECK(one(OpKind::sign) == Row{1, -1, 1, -1, 1, -1, 1});
    CHECK(one(OpKind::relu) == Row{7, 0, 7, 0, most, 0, 5});
    CHECK(one(OpKind::clip, {-inf, 6}) == Row{6, -7, 6, -7, 6, least, 5});
    CHECK(one(OpKind::power_scalar, {3}) == Row{343, -343, 343, -343, most, 0, 125});
}

TEST_CASE("floating modulo: fmod, and its form with the divisor's sign") {
    const auto a = test::tensor(DType::fp32, {4}, {5.5, -5.5, 5.5, -5.5}),
               b = test::tensor(DType::fp32, {4}, {2, 2, -2, -2});
    CHECK(test::values(run(OpKind::modulo, {a, b}, DType::fp32, {1})) == std::vector<double>{1.5, -1.5, 1.5, -1.5});
    CHECK(test::values(run(OpKind::modulo, {a, b}, DType::fp32, {0})) == std::vector<double>{1.5, 0.5, -0.5, -1.5});
}

TEST_CASE("fill") {
    for (const DType dtype : {DType::fp16, DType::bf16, DType::fp32, DType::fp64, DType::int64}) {
        const auto got = test::run(test::operation(OpKind::fill, ops::Scalars{3, 0}), {}, {{dtype, {5000}}})[0];
        CHECK(got == std::vector<double>(5000, 3.0));
    }
    const auto overflowed = test::run(test::operation(OpKind::fill, ops::Scalars{70000, 0}), {}, {{DType::fp16, {3}}});
    CHECK(overflowed[0] == std::vector<double>(3, inf));
    CHECK(overflowed.statistics[0].overflows == 3);
}

TEST_CASE("in fp64 the definitions run in double") {
    const auto x = test::normal_tensor(DType::fp64, {1000}, 3);
    const auto got = test::run(test::operation(OpKind::tanh, ops::Scalars{}), {x}, {{DType::fp64, {1000}}})[0];
    const auto given = test::values(x);
    for (std::size_t i = 0; i < given.size(); ++i) CHECK(got[i] == std::tanh(given[i]));
}
