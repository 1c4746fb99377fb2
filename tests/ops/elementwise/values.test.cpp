// Values of the floating elementwise operations against double references. What is allowed beside the reference follows
// from running error analysis of the definition (error_bound.h): rounding being monotone, the stored result must lie
// between the reference less its bound and the reference plus its bound, both rounded by the tests' own rounder.
#include "tests/ops/elementwise/error_bound.h"
#include "tests/ops/elementwise/little_rounder.h"
#include "tests/ops/elementwise/reference.h"
#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

#include <random>

using namespace halfscope;
using namespace halfscope::tests;
using ops::DType;
using ops::HostTensor;

namespace {

/// Room for the double reference's own rounding: a few ulp of a double.
double reference_error(double value) { return std::fabs(value) * 0x1p-49; }

bool agrees(double got, double exact, double bound, Grid grid) {
    if (std::isnan(exact)) return std::isnan(got);
    if (std::isnan(got)) return false;
    if (bound == 0)
        return got == rounded(exact, grid) && (got != 0 || exact != 0 || std::signbit(got) == std::signbit(exact));
    const double room = bound + reference_error(exact);
    return got >= rounded(exact - room, grid) && got <= rounded(exact + room, grid);
}

/// `operands` all of one length; the result is stored as `stored`.
void check(const Reference &reference, const std::vector<HostTensor> &operands, DType stored) {
    ops::Operation operation;
    operation.kind = reference.kind;
    operation.attributes = ops::Scalars{reference.alpha, reference.beta};
    const auto outcome = test::run(operation, operands, {{stored, operands[0].shape}}, 2);
    const auto total = static_cast<std::size_t>(operands[0].shape.elements());
    const Grid grid = grid_of(stored);
    int failures = 0;
    std::size_t unjudged = 0;
    for (std::size_t i = 0; i < total; ++i) {
        double v[3] = {};
        for (std::size_t k = 0; k < operands.size(); ++k) v[k] = element(operands[k], i);
        const double exact = reference.exact(v, reference.alpha, reference.beta);
        const double bound = bounds::error_bound(reference.kind, v, reference.alpha, reference.beta);
        const double got = element(outcome.outputs[0], i);
        // fp32 may have overflowed on the way although the exact value is finite: nothing follows for the result.
        if (std::isinf(bound)) {
            ++unjudged;
            continue;
        }
        if (agrees(got, exact, bound, grid)) continue;
        if (++failures > 5) continue;
        CAPTURE(name_of(reference.kind));
        CAPTURE(name_of(stored));
        CAPTURE(reference.alpha);
        CAPTURE(v[0]);
        CAPTURE(v[1]);
        CAPTURE(got);
        CAPTURE(exact);
        CAPTURE(bound);
        CHECK_MESSAGE(false, "the result is outside what rounding explains");
    }
    CHECK(failures == 0);
    // The fifth power of a bf16 value overflows for the upper two fifths of its exponents; nothing else does more
    // often.
    CHECK(unjudged <= total / 2);
    CHECK(outcome.statistics[0].count == total);
}

/// Pairs of 16-bit values: every special beside every special, then random ones of all exponents and of moderate size.
std::vector<HostTensor> pairs(DType dtype, std::size_t total, unsigned seed) {
    std::vector<HostTensor> operands(2, HostTensor(dtype, ops::Shape{static_cast<std::int64_t>(total)}));
    const bool half = dtype == DType::fp16;
    const std::uint16_t one = half ? 0x3c00 : 0x3f80, most = half ? 0x7bff : 0x7f7f, inf = most + 1;
    std::vector<std::uint16_t> specials;
    for (const std::uint16_t bits : {std::uint16_t{0}, std::uint16_t{1}, one, static_cast<std::uint16_t>(one + 1), most,
                                     inf, static_cast<std::uint16_t>(inf + 1)})
        for (const std::uint16_t sign : {0, 0x8000}) specials.push_back(static_cast<std::uint16_t>(bits | sign));
    std::mt19937 engine(seed);
    for (std::size_t i = 0; i < total; ++i) {
        for (std::size_t k = 0; k < 2; ++k) {
            auto bits = static_cast<std::uint16_t>(engine());
            // Exponents around 1: 8 binades down, 4 up.
            if (i % 2)
                bits = static_cast<std::uint16_t>(
                    (bits & 0x8000) |
                    (one + static_cast<int>(engine() % (12u << (half ? 10 : 7))) - (8 << (half ? 10 : 7))));
            if (i < specials.size() * specials.size()) bits = specials[k ? i % specials.size() : i / specials.size()];
            operands[k].as<std::uint16_t>()[i] = bits;
        }
    }
    return operands;
}

std::vector<HostTensor> float_operands(std::size_t count, std::size_t total, unsigned seed) {
    std::vector<HostTensor> operands(count, HostTensor(DType::fp32, ops::Shape{static_cast<std::int64_t>(total)}));
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal(0, 3);
    for (std::size_t i = 0; i < total; ++i)
        for (HostTensor &operand : operands)
            operand.as<float>()[i] =
                i % 2 ? normal(engine) : std::bit_cast<float>(static_cast<std::uint32_t>(engine()));
    return operands;
}

} // namespace

TEST_CASE("operations of one operand: all fp16 and all bf16 values") {
    for (const auto *references : {&unary_references(), &power_references()})
        for (const Reference &reference : *references)
            for (const DType dtype : {DType::fp16, DType::bf16}) check(reference, {all_values(dtype)}, dtype);
}

TEST_CASE("operations of one operand: fp32 in, fp32 out") {
    for (const auto *references : {&unary_references(), &power_references()})
        for (const Reference &reference : *references) check(reference, float_operands(1, 1 << 14, 7), DType::fp32);
}

TEST_CASE("operations of two operands and gradients: specials and random pairs") {
    for (const Reference &reference : binary_references()) {
        for (const DType dtype : {DType::fp16, DType::bf16}) check(reference, pairs(dtype, 1 << 15, 11), dtype);
        check(reference, float_operands(2, 1 << 14, 13), DType::fp32);
        // Mixed dtypes: the operands differ, the result is a third.
        auto mixed = pairs(DType::bf16, 1 << 12, 17);
        mixed[1] = pairs(DType::fp16, 1 << 12, 19)[1];
        check(reference, mixed, DType::fp32);
    }
}

TEST_CASE("the bound itself is no wider than rounding explains") {
    // fp16 results of bounded functions: the bound in fp32 is far below half an ulp of fp16, so it decides only ties.
    for (const double x : {-3.0, -0.7, 0.001, 0.3, 2.0, 9.0}) {
        const double v[3] = {x, x, x};
        CHECK(bounds::error_bound(ops::OpKind::tanh, v, 0, 0) <= 0x1p-23);
        CHECK(bounds::error_bound(ops::OpKind::sigmoid, v, 0, 0) <= 4 * 0x1p-24);
        CHECK(bounds::error_bound(ops::OpKind::gelu, v, 0, 0) <= std::fabs(x) * 16 * 0x1p-24);
        CHECK(bounds::error_bound(ops::OpKind::add, v, 0, 0) <= std::fabs(x) * 0x1p-22);
        CHECK(bounds::error_bound(ops::OpKind::negate, v, 0, 0) == 0);
        CHECK(bounds::error_bound(ops::OpKind::relu, v, 0, 0) == 0);
    }
}
