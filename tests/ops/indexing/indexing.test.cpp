#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

#include <set>

using namespace halfscope;
using namespace halfscope::test;

namespace {

HostTensor random_indices(const Shape &shape, std::int64_t size, unsigned seed) {
    std::mt19937_64 engine(seed);
    std::vector<double> indices(static_cast<std::size_t>(shape.elements()));
    for (double &index : indices)
        index = static_cast<double>(std::uniform_int_distribution<std::int64_t>(-size, size - 1)(engine));
    return tensor(DType::int64, shape, indices);
}

/// Row-major offset of a position.
std::int64_t flat(const Shape &shape, const std::vector<std::int64_t> &place) {
    std::int64_t offset = 0;
    for (int axis = 0; axis < shape.rank(); ++axis)
        offset = offset * shape[axis] + place[static_cast<std::size_t>(axis)];
    return offset;
}

/// Calls visit(position) for every position of a shape in row-major order.
template <typename Visit> void for_each_place(const Shape &shape, const Visit &visit) {
    std::vector<std::int64_t> place(static_cast<std::size_t>(shape.rank()), 0);
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
        visit(place);
        for (int axis = shape.rank() - 1; axis >= 0 && ++place[static_cast<std::size_t>(axis)] == shape[axis]; --axis)
            place[static_cast<std::size_t>(axis)] = 0;
    }
}

struct Gather {
    Shape data, indices;
    int axis;

    [[nodiscard]] Shape result() const {
        std::vector<std::int64_t> sizes(data.sizes().begin(), data.sizes().end());
        sizes.erase(sizes.begin() + axis);
        sizes.insert(sizes.begin() + axis, indices.sizes().begin(), indices.sizes().end());
        return Shape(sizes);
    }
    /// Offset in data of the element at a place of the result.
    [[nodiscard]] std::int64_t source(const std::vector<std::int64_t> &place, const std::vector<double> &given) const {
        const std::vector<std::int64_t> at(place.begin() + axis, place.begin() + axis + indices.rank());
        auto index = static_cast<std::int64_t>(given[static_cast<std::size_t>(flat(indices, at))]);
        if (index < 0) index += data[axis];
        std::vector<std::int64_t> from(place.begin(), place.begin() + axis);
        from.push_back(index);
        from.insert(from.end(), place.begin() + axis + indices.rank(), place.end());
        return flat(data, from);
    }
};

const std::vector<Gather> gathers{
    {{50, 37}, {8, 9}, 0},  // an embedding
    {{4, 6, 5}, {7}, 1},    // an inner axis
    {{3, 8}, {2, 2, 2}, 1}, // the last axis
    {{9, 4}, {}, 0},        // one row, by a scalar
    {{5, 5000}, {12}, 0},   // rows longer than a statistics block
};

} // namespace

TEST_CASE("gather copies what ONNX Gather names, of every storage type") {
    for (const Gather &g : gathers)
        for (DType dtype : {DType::fp32, DType::fp16, DType::fp64, DType::int64, DType::boolean}) {
            auto given = normal_values(g.data.elements(), 1, 50);
            for (double &value : given) value = std::round(value);
            const HostTensor data = tensor(dtype, g.data, given);
            const HostTensor indices = random_indices(g.indices, g.data[g.axis], 2);
            const auto one =
                run(operation(OpKind::gather, ops::Axis{g.axis}), {data, indices}, {{dtype, g.result()}}, 1);
            CHECK(same(one,
                       run(operation(OpKind::gather, ops::Axis{g.axis}), {data, indices}, {{dtype, g.result()}}, 3)));
            std::vector<double> expected;
            const auto from = values(data), where = values(indices);
            for_each_place(g.result(), [&](const auto &place) {
                expected.push_back(from[static_cast<std::size_t>(g.source(place, where))]);
            });
            CHECK(one[0] == expected);
            if (ops::is_floating(dtype)) {
                CHECK(one.statistics[0].count == expected.size());
                CHECK(one.statistics[0].zeros ==
                      static_cast<std::uint64_t>(std::count(expected.begin(), expected.end(), 0.0)));
            }
        }
}

TEST_CASE("gather may round on the way: an fp32 table read as fp16") {
    const HostTensor data = normal_tensor(DType::fp32, {10, 7}, 1), indices = random_indices({5}, 10, 2);
    const auto narrow = run(operation(OpKind::gather, ops::Axis{0}), {data, indices}, {{DType::fp16, {5, 7}}});
    auto expected = run(operation(OpKind::gather, ops::Axis{0}), {data, indices}, {{DType::fp32, {5, 7}}})[0];
    for (double &value : expected) value = rounded(value, DType::fp16);
    CHECK(narrow[0] == expected);
    CHECK(narrow.statistics[0].sum_squared_error > 0);
}

TEST_CASE("gather's gradient adds contributions in index order and rounds once") {
    for (const Gather &g : gathers)
        for (DType dtype : {DType::fp32, DType::bf16, DType::fp64}) {
            const HostTensor indices = random_indices(g.indices, g.data[g.axis], 3),
                             dy = normal_tensor(dtype, g.result(), 4);
            const auto one =
                run(operation(OpKind::gather_gradient, ops::Axis{g.axis}), {dy, indices}, {{dtype, g.data}}, 1);
            CHECK(same(
                one, run(operation(OpKind::gather_gradient, ops::Axis{g.axis}), {dy, indices}, {{dtype, g.data}}, 3)));
            const DType compute = dtype == DType::fp64 ? DType::fp64 : DType::fp32;
            std::vector<double> expected(static_cast<std::size_t>(g.data.elements()));
            const auto slopes = values(dy), where = values(indices);
            std::size_t next = 0;
            for_each_place(g.result(), [&](const auto &place) {
                double &sum = expected[static_cast<std::size_t>(g.source(place, where))];
                sum = rounded(sum + slopes[next++], compute);
            });
            for (double &value : expected) value = rounded(value, dtype);
            CHECK(one[0] == expected);
        }
}

TEST_CASE("gather_elements and its gradient, with indices shorter than the data") {
    const Shape data{4, 5, 6};
    for (int axis = 0; axis < 3; ++axis) {
        Shape shape{3, 4, 6};
        shape[axis] = 9;
        const HostTensor x = normal_tensor(DType::fp16, data, 1), indices = random_indices(shape, data[axis], 2),
                         dy = normal_tensor(DType::fp16, shape, 3);
        const auto y =
            run(operation(OpKind::gather_elements, ops::Axis{axis}), {x, indices}, {{DType::fp16, shape}}, 2)[0];
        const auto dx = run(operation(OpKind::gather_elements_gradient, ops::Axis{axis}), {dy, indices},
                            {{DType::fp16, data}}, 2)[0];
        std::vector<double> expected_y, expected_dx(static_cast<std::size_t>(data.elements()));
        const auto xs = values(x), where = values(indices), slopes = values(dy);
        for_each_place(shape, [&](std::vector<std::int64_t> place) {
            const auto index = static_cast<std::int64_t>(where[expected_y.size()]);
            place[static_cast<std::size_t>(axis)] = index < 0 ? index + data[axis] : index;
            const auto at = static_cast<std::size_t>(flat(data, place));
            expected_dx[at] = rounded(expected_dx[at] + slopes[expected_y.size()], DType::fp32);
            expected_y.push_back(xs[at]);
        });
        for (double &value : expected_dx) value = rounded(value, DType::fp16);
        CHECK(y == expected_y);
        CHECK(dx == expected_dx);
    }
}

TEST_CASE("one_hot: the last or an inner axis, negative and outside indices") {
    const HostTensor indices = tensor(DType::int64, {2, 2}, {0, -1, 2, 7});
    CHECK(run(operation(OpKind::one_hot, ops::Axis{2}), {indices}, {{DType::fp16, {2, 2, 3}}})[0] ==
          std::vector<double>{1, 0, 0, /**/ 0, 0, 1, /**/ 0, 0, 1, /**/ 0, 0, 0});
    CHECK(run(operation(OpKind::one_hot, ops::Axis{1}), {indices}, {{DType::int64, {2, 3, 2}}})[0] ==
          std::vector<double>{1, 0, 0, 0, 0, 1, /**/ 0, 0, 0, 0, 1, 0});
}

TEST_CASE("indices out of range and of the wrong type are rejected by value") {
    const HostTensor data(DType::fp32, {4, 2});
    CHECK_THROWS_WITH_AS(run(operation(OpKind::gather, ops::Axis{0}), {data, tensor(DType::int64, {2}, {3, 4})},
                             {{DType::fp32, {2, 2}}}),
                         "gather: index 4 lies outside an axis of size 4", std::invalid_argument);
    CHECK_THROWS_WITH_AS(run(operation(OpKind::gather_gradient, ops::Axis{0}),
                             {HostTensor(DType::fp32, {1, 2}), tensor(DType::int64, {1}, {-5})},
                             {{DType::fp32, {4, 2}}}),
                         "gather_gradient: index -5 lies outside an axis of size 4", std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        run(operation(OpKind::gather, ops::Axis{0}), {data, HostTensor(DType::fp32, {2})}, {{DType::fp32, {2, 2}}}),
        "gather: indices must be int64, not fp32", std::invalid_argument);
}
