// Data movement against index arithmetic written out per element.
#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

#include <numeric>

using namespace halfscope;
using ops::DType;
using ops::HostTensor;
using ops::OpKind;
using ops::Shape;

namespace {

using Index = std::vector<std::int64_t>;

Index index_of(std::int64_t flat, const Shape &shape) {
    Index index(static_cast<std::size_t>(shape.rank()));
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
        index[static_cast<std::size_t>(axis)] = flat % shape[axis];
        flat /= shape[axis];
    }
    return index;
}

std::int64_t flat_of(const Index &index, const Shape &shape) {
    std::int64_t flat = 0;
    for (int axis = 0; axis < shape.rank(); ++axis) flat = flat * shape[axis] + index[static_cast<std::size_t>(axis)];
    return flat;
}

/// Distinct values that every floating dtype of at least 8 bits of precision tells apart, signs and zeros among them.
std::vector<double> distinct(std::int64_t count) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < count; ++i)
        values.push_back((i % 2 ? -1.0 : 1.0) * static_cast<double>(128 + i % 128) *
                         std::ldexp(1.0, static_cast<int>(i / 128 % 8) - 8));
    return values;
}

/// Checks the result against source(index of the result) -> flat index of the operand, or -1 for `otherwise`.
template <typename Source>
void check(const ops::Operation &operation, const Shape &from, const Shape &to, const Source &source,
           double otherwise = 0) {
    for (const DType dtype : {DType::fp16, DType::fp32, DType::fp64, DType::int64, DType::boolean, DType::bf16}) {
        auto given = distinct(from.elements());
        if (dtype == DType::int64 || dtype == DType::boolean)
            for (std::size_t i = 0; i < given.size(); ++i)
                given[i] = dtype == DType::int64 ? static_cast<double>(i) - 5 : i % 3 == 0;
        const auto x = test::tensor(dtype, from, given);
        const auto got = test::run(operation, {x}, {{dtype, to}}, 2);
        const auto values = got[0];
        CAPTURE(name_of(operation.kind));
        CAPTURE(from.text());
        CAPTURE(to.text());
        CAPTURE(name_of(dtype));
        std::size_t wrong = 0;
        for (std::int64_t flat = 0; flat < to.elements(); ++flat) {
            const std::int64_t at = source(index_of(flat, to));
            wrong +=
                values[static_cast<std::size_t>(flat)] != (at < 0 ? otherwise : given[static_cast<std::size_t>(at)]);
        }
        CHECK(wrong == 0);
        if (is_floating(dtype)) {
            const auto &statistics = got.statistics[0];
            double largest = 0;
            for (const double v : values) largest = std::max(largest, std::fabs(v));
            CHECK(statistics.count == values.size());
            CHECK(static_cast<double>(statistics.amax) == largest);
            CHECK(statistics.zeros == static_cast<std::uint64_t>(std::count(values.begin(), values.end(), 0.0)));
            CHECK(statistics.sum_squared_error == 0);
        }
    }
}

} // namespace

TEST_CASE("transpose") {
    const std::vector<std::pair<Shape, std::vector<int>>> cases{
        {{5}, {0}},
        {{3, 4}, {1, 0}},
        {{1, 4}, {1, 0}},
        {{70, 130}, {1, 0}},  // several tiles, ragged
        {{300, 500}, {1, 0}}, // several tasks
        {{2, 3, 40, 50}, {0, 1, 3, 2}},
        {{2, 33, 5, 64}, {0, 2, 1, 3}},
        {{2, 3, 4, 5}, {3, 2, 1, 0}},
        {{2, 3, 4, 5}, {0, 2, 3, 1}},
        {{2, 3, 4, 5}, {2, 0, 3, 1}},
        {{2, 3, 4, 5}, {0, 1, 2, 3}},
        {{2, 2, 2, 2, 2, 2, 2, 2}, {7, 0, 6, 1, 5, 2, 4, 3}},
        {{0, 3}, {1, 0}},
    };
    for (const auto &[from, order] : cases) {
        Shape to;
        for (const int axis : order) to.append(from[axis]);
        check(test::operation(OpKind::transpose, ops::Permutation{order}), from, to,
              [&, shape = from, o = order](const Index &index) {
                  Index source(index.size());
                  for (std::size_t axis = 0; axis < index.size(); ++axis)
                      source[static_cast<std::size_t>(o[axis])] = index[axis];
                  return flat_of(source, shape);
              });
    }
}

TEST_CASE("reshape and expand") {
    ops::Operation reshape;
    reshape.kind = OpKind::reshape;
    check(reshape, {6, 4}, {2, 3, 4}, [](const Index &index) { return flat_of(index, {2, 3, 4}); });
    check(reshape, {}, {1, 1}, [](const Index &) { return 0; });
    check(reshape, {100000}, {1000, 100}, [](const Index &index) { return flat_of(index, {1000, 100}); });

    ops::Operation expand;
    expand.kind = OpKind::expand;
    const std::vector<std::pair<Shape, Shape>> cases{
        {{}, {3, 2}},           {{3, 1}, {3, 5}},        {{1, 5}, {3, 5}}, {{3}, {2, 3}}, {{2, 1, 3, 1}, {2, 4, 3, 5}},
        {{1, 2, 1}, {3, 2, 3}}, {{4, 1, 1}, {4, 30, 40}}};
    for (const auto &[from, to] : cases)
        check(expand, from, to, [shape = from](const Index &index) {
            Index source;
            for (int axis = 0; axis < shape.rank(); ++axis)
                source.push_back(
                    shape[axis] == 1 ? 0 : index[index.size() - static_cast<std::size_t>(shape.rank() - axis)]);
            return flat_of(source, shape);
        });
}

TEST_CASE("slice and its gradient") {
    struct Case {
        Shape from;
        ops::Slice slice;
        Shape to;
    };
    const std::vector<Case> cases{
        {{10}, {{2}, {7}, {1}, 0}, {5}},
        {{10}, {{2}, {9}, {3}, 0}, {3}},
        {{10}, {{9}, {-1}, {-1}, 0}, {10}},
        {{10}, {{8}, {1}, {-3}, 0}, {3}},
        {{4, 6}, {{1, 2}, {3, 6}, {1, 1}, 0}, {2, 4}},
        {{4, 6}, {{0, 5}, {4, -1}, {2, -2}, 0}, {2, 3}},
        {{4, 6}, {{0, 0}, {4, 6}, {}, 0}, {4, 6}},
        {{2, 3, 40, 50}, {{0, 1, 3, 7}, {2, 3, 40, 50}, {1, 1, 5, 2}, 0}, {2, 2, 8, 22}},
        {{5}, {{3}, {3}, {1}, 0}, {0}},
    };
    for (const Case &c : cases) {
        const auto step = [&](std::size_t axis) { return c.slice.steps.empty() ? 1 : c.slice.steps[axis]; };
        check(test::operation(OpKind::slice, c.slice), c.from, c.to, [&](const Index &index) {
            Index source;
            for (std::size_t axis = 0; axis < index.size(); ++axis)
                source.push_back(c.slice.starts[axis] + index[axis] * step(axis));
            return flat_of(source, c.from);
        });
        check(test::operation(OpKind::slice_gradient, c.slice), c.to, c.from, [&](const Index &index) {
            Index part;
            for (std::size_t axis = 0; axis < index.size(); ++axis) {
                const std::int64_t moved = index[axis] - c.slice.starts[axis];
                if (moved % step(axis) != 0 || moved / step(axis) < 0 ||
                    moved / step(axis) >= c.to[static_cast<int>(axis)])
                    return std::int64_t{-1};
                part.push_back(moved / step(axis));
            }
            return flat_of(part, c.to);
        });
    }
}

TEST_CASE("pad") {
    struct Case {
        Shape from;
        std::vector<std::int64_t> before, after;
    };
    for (const Case &c :
         {Case{{4}, {2}, {3}}, Case{{3, 4}, {0, 1}, {2, 0}}, Case{{2, 3, 5, 6}, {0, 0, 1, 2}, {0, 0, 1, 2}},
          Case{{4}, {-1}, {2}}, Case{{4, 5}, {1, -2}, {-1, -1}}, Case{{3}, {0}, {0}}, Case{{2}, {-3}, {4}}}) {
        for (const double value : {0.0, 1.0}) {
            Shape to;
            for (int axis = 0; axis < c.from.rank(); ++axis)
                to.append(c.from[axis] + c.before[static_cast<std::size_t>(axis)] +
                          c.after[static_cast<std::size_t>(axis)]);
            ops::Slice pads{c.before, c.after, {}, value};
            check(
                test::operation(OpKind::pad, pads), c.from, to,
                [&](const Index &index) {
                    Index source;
                    for (int axis = 0; axis < c.from.rank(); ++axis) {
                        const std::int64_t at =
                            index[static_cast<std::size_t>(axis)] - c.before[static_cast<std::size_t>(axis)];
                        if (at < 0 || at >= c.from[axis]) return std::int64_t{-1};
                        source.push_back(at);
                    }
                    return flat_of(source, c.from);
                },
                value);
        }
    }
}

TEST_CASE("trilu") {
    for (const Shape &shape : {Shape{4, 4}, Shape{2, 3, 5}, Shape{5, 3}, Shape{300, 300}})
        for (const double upper : {0.0, 1.0})
            for (const double diagonal : {0.0, 1.0, -2.0, 9.0, -9.0})
                check(test::operation(OpKind::trilu, ops::Scalars{upper, diagonal}), shape, shape,
                      [&](const Index &index) {
                          const auto row = static_cast<double>(index[index.size() - 2]),
                                     column = static_cast<double>(index.back());
                          const bool keep = upper == 1 ? column - row >= diagonal : column - row <= diagonal;
                          return keep ? flat_of(index, shape) : -1;
                      });
}

TEST_CASE("concat, of operands stored alike and not") {
    for (const int axis : {0, 1, 2}) {
        for (const bool mixed : {false, true}) {
            std::vector<HostTensor> parts;
            std::vector<std::vector<double>> given;
            Shape to{3, 4, 5};
            to[axis] = 0;
            for (const std::int64_t size : {2, 1, 0, 6}) {
                Shape shape{3, 4, 5};
                shape[axis] = size;
                to[axis] += size;
                parts.push_back(test::normal_tensor(mixed && size == 1 ? DType::bf16 : DType::fp16, shape,
                                                    static_cast<unsigned>(size)));
                given.push_back(test::values(parts.back()));
            }
            const DType stored = mixed ? DType::fp32 : DType::fp16;
            const auto got = test::run(test::operation(OpKind::concat, ops::Axis{axis}), parts, {{stored, to}})[0];
            for (std::int64_t flat = 0; flat < to.elements(); ++flat) {
                Index index = index_of(flat, to);
                std::size_t part = 0;
                auto &at = index[static_cast<std::size_t>(axis)];
                while (at >= parts[part].shape[axis]) at -= parts[part++].shape[axis];
                CHECK(got[static_cast<std::size_t>(flat)] ==
                      given[part][static_cast<std::size_t>(flat_of(index, parts[part].shape))]);
            }
        }
    }
}

TEST_CASE("a result stored otherwise than its operand is rounded once and counted") {
    const Shape from{30, 40}, to{40, 30};
    const auto x = test::normal_tensor(DType::fp32, from, 3, 30000);
    const auto given = test::values(x);
    const auto got = test::run(test::operation(OpKind::transpose, ops::Permutation{{1, 0}}), {x}, {{DType::fp16, to}});
    std::uint64_t overflows = 0;
    for (std::size_t r = 0; r < 40; ++r)
        for (std::size_t c = 0; c < 30; ++c) {
            const double wanted = test::rounded(given[c * 40 + r], DType::fp16);
            overflows += std::isinf(wanted);
            CHECK(got[0][r * 30 + c] == wanted);
        }
    CHECK(overflows > 0);
    CHECK(got.statistics[0].overflows == overflows);
}

TEST_CASE("what does not fit is rejected by name") {
    const auto message = [](const ops::Operation &operation, const Shape &from, const Shape &to) {
        try {
            test::run(operation, {HostTensor(DType::fp32, from)}, {{DType::fp32, to}});
        } catch (const std::invalid_argument &error) {
            return std::string(error.what());
        }
        return std::string("accepted");
    };
    CHECK(message(test::operation(OpKind::transpose, ops::Permutation{{0, 0}}), {2, 2}, {2, 2})
              .starts_with("transpose: "));
    CHECK(message(test::operation(OpKind::slice, ops::Slice{{1}, {5}, {1}, 0}), {4}, {4}).starts_with("slice: "));
    CHECK(message(test::operation(OpKind::slice, ops::Slice{{0}, {4}, {0}, 0}), {4}, {4}).starts_with("slice: "));
    CHECK(message(test::operation(OpKind::pad, ops::Slice{{1}, {1}, {}, 0}), {4}, {5}).starts_with("pad: "));
    CHECK(message(test::operation(OpKind::concat, ops::Axis{0}), {4}, {5}).starts_with("concat: "));
    ops::Operation reshape;
    reshape.kind = OpKind::reshape;
    CHECK(message(reshape, {4}, {5}) == "reshape: shape [4] does not hold as many elements as [5]");
}
