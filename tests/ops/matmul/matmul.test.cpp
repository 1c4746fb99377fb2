// Bits of the product engine against the definition written as three loops, at every SIMD level and thread count.
#include "emulation/ops/kernels.h"
#include "tests/ops/matmul/products.h"

#include <doctest/doctest.h>

namespace halfscope::ops {
namespace {

using namespace products;

struct Case {
    Shape a, b, y;
    Matmul attributes;
    DType dtype_a = DType::fp32, dtype_b = DType::fp32, dtype_y = DType::fp32;
    Shape bias; ///< rank 0: none
};

/// Value of a stored element in C, at a multi-index that broadcasts over the operand's shape.
template <typename C> C at(const HostTensor &tensor, std::int64_t element) {
    HostTensor &writable = const_cast<HostTensor &>(tensor); // views are untyped; nothing is written
    C value{};
    return *load<C>(writable.view(), element, 1, &value);
}

std::int64_t broadcast_index(const Shape &from, const Shape &result, std::int64_t flat, int trailing) {
    // Position in `from`'s leading axes of leading index `flat` of the result; `trailing` axes are left out.
    std::int64_t at = 0, stride = 1;
    const int leading = result.rank() - trailing, own = from.rank() - trailing;
    for (int axis = leading - 1; axis >= 0; --axis) {
        const std::int64_t position = flat % result[axis];
        flat /= result[axis];
        const int mine = axis - (leading - own);
        if (mine < 0) continue;
        if (from[mine] != 1) at += position * stride;
        stride *= from[mine];
    }
    return at;
}

template <typename C>
HostTensor expected(const Case &c, const HostTensor &a, const HostTensor &b, const HostTensor &bias) {
    const std::int64_t m = c.y[c.y.rank() - 2], n = c.y[c.y.rank() - 1];
    const std::int64_t k = c.a[c.a.rank() - (c.attributes.transpose_a ? 2 : 1)];
    std::vector<C> values(static_cast<std::size_t>(c.y.elements()));
    for (std::int64_t flat = 0; flat < c.y.elements(); ++flat) {
        const std::int64_t batch = flat / (m * n), i = flat / n % m, j = flat % n;
        const std::int64_t batch_a = broadcast_index(c.a, c.y, batch, 2), batch_b = broadcast_index(c.b, c.y, batch, 2);
        C sum = 0;
        for (std::int64_t t = 0; t < k; ++t) {
            const C x = at<C>(a, batch_a * m * k + (c.attributes.transpose_a ? t * m + i : i * k + t));
            const C w = at<C>(b, batch_b * k * n + (c.attributes.transpose_b ? j * k + t : t * n + j));
            sum = std::fma(x, w, sum);
            if (c.attributes.accumulation != Accumulation::fma_chain) {
                const auto format = c.attributes.accumulation == Accumulation::fp16_fma_chain ? number::FormatId::fp16
                                                                                              : number::FormatId::bf16;
                sum = static_cast<C>(
                    number::widen_16bit(number::round_to_16bit(static_cast<float>(sum), format), format));
            }
        }
        if (c.attributes.alpha != 1) sum *= static_cast<C>(c.attributes.alpha);
        if (c.bias.rank() > 0) {
            const C term = at<C>(bias, broadcast_index(c.bias, c.y, flat, 0));
            sum += c.attributes.beta == 1 ? term : static_cast<C>(c.attributes.beta) * term;
        }
        values[static_cast<std::size_t>(flat)] = sum;
    }
    return rounded(values, c.dtype_y, c.y);
}

void check(const Case &c, const std::string &what) {
    INFO(what);
    HostTensor a = random_tensor(c.dtype_a, c.a, 1), b = random_tensor(c.dtype_b, c.b, 2);
    HostTensor bias = random_tensor(c.dtype_b, c.bias, 3);
    const bool fp64 = c.dtype_a == DType::fp64 || c.dtype_b == DType::fp64 || c.dtype_y == DType::fp64;
    const HostTensor wanted = fp64 ? expected<double>(c, a, b, bias) : expected<float>(c, a, b, bias);
    std::vector<TensorView> inputs{a.view(), b.view()};
    if (c.bias.rank() > 0) inputs.push_back(bias.view());
    Operation operation{OpKind::matmul, c.attributes, {}};
    for_every_level_and_thread_count([&](ThreadPool &threads) {
        HostTensor y(c.dtype_y, c.y);
        std::vector<TensorView> outputs{y.view()};
        number::RangeStatistics statistics;
        std::vector<number::RangeStatistics *> wants{&statistics};
        run_matmul({operation, inputs, outputs, wants, {}, threads});
        CHECK(first_difference(y, wanted) == "");
        CHECK(statistics.count == static_cast<std::uint64_t>(c.y.elements()));
    });
}

TEST_CASE("matmul: bits of the definition over shapes, transposes and dtypes") {
    const std::vector<std::array<std::int64_t, 3>> sizes{{1, 1, 1},   {1, 7, 3},    {6, 16, 8},    {7, 17, 5},
                                                         {5, 33, 64}, {13, 31, 70}, {23, 10, 300}, {97, 40, 130}};
    const std::vector<DType> dtypes{DType::fp32, DType::fp16, DType::bf16};
    std::size_t turn = 0;
    for (const auto &[m, n, k] : sizes)
        for (int transposes = 0; transposes < 4; ++transposes) {
            Case c;
            c.attributes.transpose_a = transposes & 1;
            c.attributes.transpose_b = transposes & 2;
            c.a = c.attributes.transpose_a ? Shape{k, m} : Shape{m, k};
            c.b = c.attributes.transpose_b ? Shape{n, k} : Shape{k, n};
            c.y = {m, n};
            c.dtype_a = dtypes[turn % 3];
            c.dtype_b = dtypes[turn / 2 % 3];
            c.dtype_y = dtypes[turn / 3 % 3];
            ++turn;
            check(c, c.a.text() + " x " + c.b.text() + " " + std::string(name_of(c.dtype_a)) + " " +
                         std::string(name_of(c.dtype_b)) + " -> " + std::string(name_of(c.dtype_y)));
        }
}

TEST_CASE("matmul: k beyond one stretch continues the same chain") {
    Case c;
    c.a = {9, 1031};
    c.b = {1031, 35};
    c.y = {9, 35};
    c.dtype_a = c.dtype_b = DType::fp16;
    check(c, "k = 1031");
}

TEST_CASE("matmul: an empty chain is +0, and empty results are left alone") {
    Case c;
    c.a = {3, 0};
    c.b = {0, 5};
    c.y = {3, 5};
    check(c, "k = 0");
    c.a = {0, 4};
    c.b = {4, 5};
    c.y = {0, 5};
    check(c, "m = 0");
}

TEST_CASE("matmul: leading axes broadcast, many small and few large") {
    Case c;
    c.dtype_a = c.dtype_b = DType::bf16;
    c.a = {2, 3, 5, 9};
    c.b = {3, 9, 4};
    c.y = {2, 3, 5, 4};
    check(c, "b lacks an axis");
    c.a = {5, 9};
    c.b = {4, 1, 9, 6};
    c.y = {4, 1, 5, 6};
    check(c, "a lacks axes");
    c.a = {2, 1, 5, 9};
    c.b = {1, 16, 9, 6};
    c.y = {2, 16, 5, 6};
    check(c, "both stretch");
    c.a = {4, 12, 7, 9};
    c.b = {9, 20};
    c.y = {4, 12, 7, 20};
    check(c, "one right operand for all");
    c.attributes.transpose_a = true;
    c.a = {4, 12, 9, 7};
    check(c, "one right operand for all, transposed left");
}

TEST_CASE("matmul: alpha, beta and every broadcast of the bias") {
    for (const Shape &bias : {Shape{6}, Shape{5, 1}, Shape{1, 6}, Shape{3, 1, 1}, Shape{3, 5, 6}, Shape{1}}) {
        Case c;
        c.a = {3, 5, 9};
        c.b = {9, 6};
        c.y = {3, 5, 6};
        c.bias = bias;
        c.dtype_b = DType::fp16;
        check(c, "bias " + bias.text());
        c.attributes.alpha = 0.3;
        c.attributes.beta = 1.7;
        check(c, "bias scaled " + bias.text());
    }
}

TEST_CASE("matmul: accumulators that round after every step") {
    for (const Accumulation model : {Accumulation::fp16_fma_chain, Accumulation::bf16_fma_chain}) {
        Case c;
        c.attributes.accumulation = model;
        c.a = {13, 300};
        c.b = {300, 21};
        c.y = {13, 21};
        c.dtype_a = c.dtype_b = DType::fp16;
        check(c, std::string(name_of(model)));
    }
}

TEST_CASE("matmul: fp64 operands make an fp64 chain") {
    Case c;
    c.a = {11, 270};
    c.b = {19, 270};
    c.attributes.transpose_b = true;
    c.y = {11, 19};
    c.dtype_a = c.dtype_b = c.dtype_y = DType::fp64;
    check(c, "all fp64");
    c.dtype_b = DType::fp16;
    c.dtype_y = DType::fp32;
    check(c, "mixed");
}

TEST_CASE("matmul: overflow, infinities and NaN go where the chain takes them") {
    Case c;
    c.a = {7, 40};
    c.b = {40, 18};
    c.y = {7, 18};
    c.dtype_y = DType::fp16;
    for (const Accumulation model :
         {Accumulation::fma_chain, Accumulation::fp16_fma_chain, Accumulation::bf16_fma_chain}) {
        c.attributes.accumulation = model;
        HostTensor a = random_tensor(DType::fp32, c.a, 5), b = random_tensor(DType::fp32, c.b, 6);
        for (float &x : a.as<float>()) x *= 300.0F;
        for (float &x : b.as<float>()) x *= 100.0F;
        a.as<float>()[45] = std::numeric_limits<float>::infinity();
        a.as<float>()[90] = std::numeric_limits<float>::quiet_NaN();
        a.as<float>()[130] = 0x1p127F;
        b.as<float>()[130] = 0;
        const HostTensor wanted = expected<float>(c, a, b, {});
        const Operation operation{OpKind::matmul, c.attributes, {}};
        for_every_level_and_thread_count([&](ThreadPool &threads) {
            HostTensor y(c.dtype_y, c.y);
            const std::vector<TensorView> inputs{a.view(), b.view()}, outputs{y.view()};
            run_matmul({operation, inputs, outputs, {}, {}, threads});
            CHECK(first_difference(y, wanted) == "");
        });
    }
}

TEST_CASE("matmul: what does not fit is refused in one sentence") {
    ThreadPool threads(1);
    HostTensor a(DType::fp32, {2, 3}), b(DType::fp32, {4, 5}), y(DType::fp32, {2, 5}), integers(DType::int64, {3, 5});
    const auto run = [&](const Matmul &attributes, std::vector<TensorView> inputs) {
        const Operation operation{OpKind::matmul, attributes, {}};
        const std::vector<TensorView> outputs{y.view()};
        run_matmul({operation, inputs, outputs, {}, {}, threads});
    };
    CHECK_THROWS_WITH_AS(run({}, {a.view(), b.view()}), "matmul: inner sizes differ: [2, 3] and [4, 5]",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(run({}, {a.view(), integers.view()}), "matmul: operands must be floating, got int64",
                         std::invalid_argument);
}

} // namespace
} // namespace halfscope::ops
