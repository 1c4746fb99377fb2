// Exact results against big rationals and against long doubles; bounds against every model on adversarial operands.
#include "tests/kernels/judge/product_cases.h"
#include "tests/oracle/exact_rounding.h"

#include "kernels/judge/error_bound.h"
#include "kernels/judge/exact_results.h"
#include "kernels/judge/identify_product.h"

#include "emulation/ops/matmul/accumulation_model.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace halfscope;
using namespace halfscope::test;
using namespace halfscope::kernels::judge;

namespace {

/// Random bit patterns of finite values: exponents over the whole range, so that sums cancel and underflow.
HostTensor any_finite(DType dtype, const Shape &shape, unsigned seed) {
    HostTensor result(dtype, shape);
    std::mt19937_64 engine(seed);
    const auto &format = number::format_of(ops::format_id(dtype));
    for (std::int64_t i = 0; i < shape.elements();) {
        const std::uint64_t bits = engine() & number::ones(format.storage_bits);
        const auto kind = number::unpack(format, bits).kind;
        if (kind != number::Kind::finite && kind != number::Kind::zero) continue;
        std::memcpy(result.bytes.data() + static_cast<std::size_t>(i) * ops::size_of(dtype), &bits,
                    ops::size_of(dtype));
        ++i;
    }
    return result;
}

oracle::Rational rational(double value) {
    int exponent = 0;
    const auto significand = static_cast<std::int64_t>(std::ldexp(std::frexp(value, &exponent), 53));
    exponent -= 53;
    if (exponent >= 0) return {oracle::Integer(significand) << static_cast<unsigned>(exponent), 1};
    return {significand, oracle::Integer(1) << static_cast<unsigned>(-exponent)};
}

/// Whether high + low is within 2^-100 of `exact`.
bool is(const ExactValue &value, const oracle::Rational &exact) {
    const oracle::Rational error = rational(value.high) + rational(value.low) - exact;
    const oracle::Integer left = abs(error.numerator) * exact.denominator,
                          right = abs(exact.numerator) * error.denominator;
    return (left << 100u) <= right;
}

} // namespace

TEST_CASE("exact products are exact, over every exponent") {
    for (const DType dtype : {DType::fp16, DType::bf16, DType::fp32}) {
        HostTensor a = any_finite(dtype, {3, 40}, 1), b = any_finite(dtype, {40, 4}, 2);
        HostTensor c = any_finite(DType::fp32, {4}, 3);
        const ops::TensorView c_view = c.view();
        const auto exact = exact_matmul(a.view(), b.view(), &c_view, {3, 4}, arithmetic_in(number::FormatId::fp32),
                                        number::FormatId::fp32);
        const auto x = values(a), y = values(b), z = values(c);
        for (std::int64_t index = 0; index < 12; ++index) {
            const std::int64_t i = index / 4, j = index % 4;
            oracle::Rational sum = rational(z[static_cast<std::size_t>(j)]);
            double scale = std::fabs(z[static_cast<std::size_t>(j)]);
            for (std::int64_t k = 0; k < 40; ++k) {
                const double p = x[static_cast<std::size_t>(i * 40 + k)], q = y[static_cast<std::size_t>(k * 4 + j)];
                sum = sum + rational(p) * rational(q);
                scale += std::fabs(p * q);
            }
            const auto found = exact.at(index);
            CHECK(is(found.exact, sum));
            CHECK(found.scale >= scale);
            CHECK(found.scale <= scale * (1 + 1e-5));
        }
    }
}

TEST_CASE("a sum in which all but the smallest cancels stays exact") {
    ExactSum sum;
    for (const double value : {0x1p1000, 1.0, 0x1p-1074, -0x1p1000, -1.0}) sum.add(value);
    CHECK(sum.value().high == 0x1p-1074);
    CHECK(sum.value().low == 0);
    for (int i = 0; i < 1000; ++i) sum.add(i % 2 ? 0x1.fffffffffffffp40 : -0x1.fffffffffffffp40);
    CHECK(sum.value().high == 0x1p-1074);
    sum.add(HUGE_VAL);
    CHECK(std::isinf(sum.value().high));
    sum.add(-HUGE_VAL);
    CHECK(std::isnan(sum.value().high));
}

TEST_CASE("two million additions carry") {
    ExactSum sum;
    for (int i = 0; i < (1 << 21) + 5; ++i) sum.add(0x1.fffffffffffffp40);
    for (int i = 0; i < 5; ++i) sum.add(-0x1.fffffffffffffp40);
    CHECK(sum.value().high == 0x1.fffffffffffffp61);
    CHECK(sum.value().low == 0);
}

TEST_CASE("a block that loses all it can is near its bound and within it") {
    ops::ThreadPool threads(1);
    for (const number::TensorCore &core : number::tensor_cores) {
        CAPTURE(core.name);
        const auto model = ops::accumulation_from(core.name);
        const auto error_of_bound = [&](double a0, double b0, double small_a, double small_b) {
            ProductInputs inputs;
            inputs.shape = {1, 1};
            std::vector<double> a(static_cast<std::size_t>(core.block), small_a), b(a.size(), small_b);
            a[0] = a0;
            b[0] = b0;
            inputs.a = tensor(DType::fp16, {1, core.block}, a);
            inputs.b = tensor(DType::fp16, {core.block, 1}, b);
            ProductVariant variant;
            variant.model = model;
            HostTensor result = compute(variant, inputs, threads);
            const auto exact = exact_matmul(inputs.a.view(), inputs.b.view(), nullptr, inputs.shape,
                                            arithmetic_of(model, number::FormatId::fp16), number::FormatId::fp32);
            const auto right = exact.at(0);
            return std::fabs(error_of(values(result)[0], right.exact)) / right.bound;
        };
        // One product of 1; all others just below what is cut.
        const double cut = std::ldexp(1 - 0x1p-10, -core.fraction_bits + 12);
        const double loses_all = error_of_bound(1, 1, 0x1p-12, cut);
        CHECK(loses_all <= 1);
        CHECK(loses_all > 0.25);
        // A subnormal operand aligns as the smallest normal: 2^-24 * 2^15 is small, but its exponent is 1.
        const double subnormal = error_of_bound(0x1p-24, 0x1p15, 0x1p-11, cut);
        CHECK(subnormal <= 1);
        CHECK(subnormal > 0.25);
    }
}

TEST_CASE("no model leaves its bound, in any order tried, and bounds are not idle") {
    ops::ThreadPool threads(1);
    for (const DType dtype : {DType::fp16, DType::bf16, DType::fp32}) {
        for (const ops::Accumulation model : models_for(dtype)) {
            const bool tf32 = dtype == DType::fp32 && ops::takes_blocks(model);
            double worst = 0;
            for (const unsigned kind : {0u, 1u, 2u}) {
                ProductInputs inputs;
                inputs.shape = {6, 6};
                const std::int64_t k = kind == 2 ? 7 : 50;
                const auto make = [&](const Shape &shape, unsigned seed) {
                    HostTensor made = kind == 1 ? any_finite(dtype, shape, seed) : normal_tensor(dtype, shape, seed);
                    if (kind == 2) // one sign: errors add up
                        made = tensor(dtype, shape,
                                      std::vector<double>(static_cast<std::size_t>(shape.elements()), 1.0 + 0x1p-6));
                    return tf32 ? converted(made, number::FormatId::tf32, true) : made;
                };
                inputs.a = make({6, k}, 11 + kind);
                inputs.b = make({k, 6}, 21 + kind);
                const auto arithmetic = arithmetic_of(model, tf32 ? number::FormatId::tf32 : ops::format_id(dtype));
                const auto exact = exact_matmul(inputs.a.view(), inputs.b.view(), nullptr, inputs.shape, arithmetic,
                                                number::FormatId::fp32);
                for (const std::int64_t parts : {1, 2}) {
                    ProductVariant variant;
                    variant.model = model;
                    variant.parts = parts;
                    variant.tile = (k + parts - 1) / parts;
                    HostTensor result = compute(variant, inputs, threads);
                    const auto got = values(result);
                    for (std::int64_t i = 0; i < exact.elements; ++i) {
                        const auto right = exact.at(i);
                        const double value = got[static_cast<std::size_t>(i)];
                        CAPTURE(ops::name_of(model));
                        CAPTURE(ops::name_of(dtype));
                        CAPTURE(kind);
                        if (!std::isfinite(value)) {
                            CHECK(right.may_overflow);
                            continue;
                        }
                        const double error = std::fabs(error_of(value, right.exact));
                        CHECK(error <= right.bound);
                        if (right.bound > 0) worst = std::max(worst, error / right.bound);
                    }
                }
            }
            CAPTURE(ops::name_of(model));
            CHECK(worst > 1e-4);
        }
    }
}
