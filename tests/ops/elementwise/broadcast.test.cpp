// Broadcasting against an index walk written the way NumPy describes it.
#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

using namespace halfscope;
using ops::DType;
using ops::OpKind;
using ops::Shape;

namespace {

/// The operand's element for each element of the output: axes are matched from the last, an axis of 1 is repeated.
std::vector<double> broadcast(const std::vector<double> &values, const Shape &shape, const Shape &to) {
    std::vector<double> out;
    for (std::int64_t flat = 0; flat < to.elements(); ++flat) {
        std::int64_t rest = flat, at = 0, stride = 1;
        for (int back = 1; back <= to.rank(); ++back) {
            const std::int64_t index = rest % to[to.rank() - back];
            rest /= to[to.rank() - back];
            if (back > shape.rank()) continue;
            if (shape[shape.rank() - back] != 1) at += index * stride;
            stride *= shape[shape.rank() - back];
        }
        out.push_back(values[static_cast<std::size_t>(at)]);
    }
    return out;
}

std::vector<double> counting(const Shape &shape, double first) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < shape.elements(); ++i) values.push_back(first + static_cast<double>(i));
    return values;
}

} // namespace

TEST_CASE("operands broadcast as NumPy does, whatever their dtype") {
    struct Case {
        Shape a, b, out;
    };
    const std::vector<Case> cases{
        {{}, {}, {}},
        {{5}, {}, {5}},
        {{}, {2, 3}, {2, 3}},
        {{4, 3}, {3}, {4, 3}},
        {{4, 1}, {3}, {4, 3}},
        {{4, 1}, {4, 3}, {4, 3}},
        {{2, 3, 4, 5}, {3, 1, 1}, {2, 3, 4, 5}},
        {{2, 3, 4, 5}, {1, 3, 1, 1}, {2, 3, 4, 5}},
        {{2, 3, 4, 5}, {2, 3, 1, 1}, {2, 3, 4, 5}},
        {{2, 3, 4, 5}, {2, 1, 4, 1}, {2, 3, 4, 5}},
        {{2, 1, 4, 1}, {1, 3, 1, 5}, {2, 3, 4, 5}},
        {{3, 1, 2, 1, 2}, {2, 1, 3, 1}, {3, 2, 2, 3, 2}},
        {{1, 1, 1}, {7}, {1, 1, 7}},
        {{1, 7}, {7, 1}, {7, 7}},
        {{0, 3}, {3}, {0, 3}},
        {{2, 3, 700}, {3, 1}, {2, 3, 700}}, // several pieces
        {{2, 2100}, {2100}, {2, 2100}},     // runs across piece and block edges
    };
    for (const Case &shapes : cases) {
        const auto a = counting(shapes.a, 0), b = counting(shapes.b, 1);
        const auto wide_a = broadcast(a, shapes.a, shapes.out), wide_b = broadcast(b, shapes.b, shapes.out);
        for (const DType dtype : {DType::fp32, DType::fp64, DType::int64, DType::bf16}) {
            const DType other = dtype == DType::bf16 ? DType::fp16 : dtype;
            const DType stored = dtype == DType::bf16 ? DType::fp32 : dtype;
            const auto first = test::tensor(dtype, shapes.a, a), second = test::tensor(other, shapes.b, b);
            const auto given_a = broadcast(test::values(first), shapes.a, shapes.out);
            const auto given_b = broadcast(test::values(second), shapes.b, shapes.out);
            ops::Operation operation;
            operation.kind = OpKind::subtract;
            const auto got = test::run(operation, {first, second}, {{stored, shapes.out}}, 2)[0];
            CAPTURE(shapes.a.text());
            CAPTURE(shapes.b.text());
            CAPTURE(name_of(dtype));
            REQUIRE(got.size() == wide_a.size());
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < got.size(); ++i) wrong += got[i] != given_a[i] - given_b[i];
            CHECK(wrong == 0);
        }
    }
}

TEST_CASE("where broadcasts all three of its operands") {
    const Shape out{2, 3, 4};
    const auto condition = test::tensor(DType::boolean, {3, 1}, {1, 0, 1});
    const auto a = test::tensor(DType::fp16, {2, 1, 1}, {10, 20});
    const auto b = test::tensor(DType::fp32, {4}, {1, 2, 3, 4});
    ops::Operation operation;
    operation.kind = OpKind::where;
    const auto got = test::run(operation, {condition, a, b}, {{DType::fp32, out}})[0];
    for (std::size_t i = 0; i < got.size(); ++i) {
        const double wanted = i / 4 % 3 == 1 ? static_cast<double>(i % 4 + 1) : i < 12 ? 10 : 20;
        CHECK(got[i] == wanted);
    }
    const auto integers = test::run(
        operation, {condition, test::tensor(DType::int64, {1}, {7}), test::tensor(DType::int64, {4}, {1, 2, 3, 4})},
        {{DType::int64, {3, 4}}})[0];
    CHECK(integers == std::vector<double>{7, 7, 7, 7, 1, 2, 3, 4, 7, 7, 7, 7});
}

TEST_CASE("shapes and counts that do not fit are rejected by name") {
    ops::Operation add;
    add.kind = OpKind::add;
    const auto message = [&](const std::vector<ops::HostTensor> &in, const test::OutputOf &out) {
        try {
            test::run(add, in, {out});
        } catch (const std::invalid_argument &error) {
            return std::string(error.what());
        }
        return std::string("accepted");
    };
    const auto f = [](const Shape &shape) { return ops::HostTensor(DType::fp32, shape); };
    CHECK(message({f({2, 3}), f({2})}, {DType::fp32, {2, 3}}) == "add: shape [2] does not broadcast to [2, 3]");
    CHECK(message({f({2, 3}), f({2, 3})}, {DType::fp32, {3}}) == "add: shape [2, 3] does not broadcast to [3]");
    CHECK(message({f({2})}, {DType::fp32, {2}}) == "add: takes 2 operands and gives one result, not 1 and 1");
    CHECK(message({f({2}), f({2})}, {DType::int64, {2}}).starts_with("add: a result stored as int64 needs integer"));
}
