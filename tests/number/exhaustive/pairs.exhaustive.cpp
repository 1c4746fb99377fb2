// All 2^32 operand pairs of fp16 and bf16 add, sub, mul and div, bits and flags, against the judge that works in
// doubles.
#include "emulation/number/arithmetic.h"
#include "emulation/number/conversion.h"
#include "tests/number/exhaustive/sweep.h"
#include "tests/oracle/rounding_by_doubles.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <memory>

using namespace halfscope::number;

namespace {

enum class Operation { add, subtract, multiply, divide };

template <FormatId id, Operation op> Result ours(std::uint64_t a, std::uint64_t b) {
    constexpr const Format &f = format_of(id);
    if constexpr (op == Operation::add) return add(f, a, b);
    if constexpr (op == Operation::subtract) return subtract(f, a, b);
    if constexpr (op == Operation::multiply) return multiply(f, a, b);
    return divide(f, a, b);
}

template <Operation op> oracle::Almost theirs(double a, double b) {
    if constexpr (op == Operation::add) return oracle::sum(a, b);
    if constexpr (op == Operation::subtract) return oracle::sum(a, -b);
    if constexpr (op == Operation::multiply) return {a * b, 0};
    return oracle::quotient(a, b);
}

template <FormatId id, Operation op> void check_all_pairs() {
    constexpr const Format &f = format_of(id);
    // Values of all 2^16 encodings, by ldexp on the fields: not through the conversion under test.
    auto value = std::make_unique<std::array<double, 65536>>();
    for (unsigned bits = 0; bits < 65536; ++bits) {
        const int fraction_bits = f.precision - 1;
        const int field = static_cast<int>(bits >> fraction_bits) & ((1 << f.exponent_bits) - 1);
        const double fraction = bits & ((1u << fraction_bits) - 1);
        double v = field == 0
                       ? std::ldexp(fraction, f.emin - fraction_bits)
                       : std::ldexp(fraction + std::ldexp(1.0, fraction_bits), field - 1 + f.emin - fraction_bits);
        if (field == (1 << f.exponent_bits) - 1) v = fraction == 0 ? HUGE_VAL : std::nan("");
        (*value)[bits] = bits & 0x8000 ? -v : v;
    }
    const oracle::QuantumRounder rounder(f.precision, f.emin, f.emax);
    const oracle::QuantumRounder unbounded(f.precision, -1000, 1000);
    const double smallest_normal = std::ldexp(1.0, f.emin);
    const auto wrong = sweep(std::uint64_t{1} << 32, [&](std::uint64_t first, std::uint64_t last) {
        std::uint64_t failures = 0;
        for (std::uint64_t pair = first; pair < last; ++pair) {
            const std::uint64_t a = pair >> 16, b = pair & 0xffff;
            const double x = (*value)[a], y = (*value)[b];
            const Result got = ours<id, op>(a, b);
            const double result = (*value)[got.bits];
            oracle::Almost exact = theirs<op>(x, y);
            bool right = false;
            if (std::isnan(exact.value)) {
                const bool nan_operand = std::isnan(x) || std::isnan(y);
                right = std::isnan(result) && (nan_operand || got.status == invalid);
            } else if (std::isinf(exact.value)) {
                const bool divided_by_zero = op == Operation::divide && std::isfinite(x);
                right = result == exact.value &&
                        got.status == (divided_by_zero ? divide_by_zero : halfscope::number::exact);
            } else {
                if (std::isinf(x) || std::isinf(y) || exact.value == 0) exact.residue = 0;
                const double want = rounder.nearest_even(exact);
                unsigned flags = want != exact.value || exact.residue != 0 ? inexact : halfscope::number::exact;
                if (std::isinf(want)) flags |= overflow;
                if (flags && std::fabs(exact.value) <= smallest_normal &&
                    std::fabs(unbounded.nearest_even(exact)) < smallest_normal)
                    flags |= underflow;
                right = result == want && std::signbit(result) == std::signbit(want) && got.status == flags;
            }
            if (!right && ++failures < 4)
                MESSAGE(f.name << " operation " << static_cast<int>(op) << " of " << a << " and " << b << ": got "
                               << got.bits << " flags " << unsigned{got.status});
        }
        return failures;
    });
    CHECK(wrong == 0);
}

} // namespace

TEST_CASE("fp16 add") { check_all_pairs<FormatId::fp16, Operation::add>(); }
TEST_CASE("fp16 sub") { check_all_pairs<FormatId::fp16, Operation::subtract>(); }
TEST_CASE("fp16 mul") { check_all_pairs<FormatId::fp16, Operation::multiply>(); }
TEST_CASE("fp16 div") { check_all_pairs<FormatId::fp16, Operation::divide>(); }
TEST_CASE("bf16 add") { check_all_pairs<FormatId::bf16, Operation::add>(); }
TEST_CASE("bf16 sub") { check_all_pairs<FormatId::bf16, Operation::subtract>(); }
TEST_CASE("bf16 mul") { check_all_pairs<FormatId::bf16, Operation::multiply>(); }
TEST_CASE("bf16 div") { check_all_pairs<FormatId::bf16, Operation::divide>(); }
