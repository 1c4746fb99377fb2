// Binary operations, fma and remainder against exact rationals: special values crossed with each other, structured
// operands near every rounding boundary, and random ones; every mode, both tininess rules, bits and flags.
#include "emulation/number/arithmetic.h"
#include "emulation/number/comparison.h"
#include "emulation/number/conversion.h"
#include "tests/number/scalar/oracle_formats.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace halfscope::number;

namespace {

/// Zeros, ends of the subnormal and normal ranges and their neighbours, ones, infinities, NaNs of both kinds; both
/// signs.
std::vector<std::uint64_t> landmarks(const JudgedFormat &f) {
    const std::uint64_t infinity = f.theirs.infinity();
    const std::uint64_t smallest_normal = std::uint64_t{1} << (f.ours.precision - 1);
    const std::uint64_t one = static_cast<std::uint64_t>(f.ours.bias()) << (f.ours.precision - 1);
    std::vector<std::uint64_t> values;
    for (const std::uint64_t magnitude :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, smallest_normal - 1, smallest_normal,
          smallest_normal + 1, one - 1, one, one + 1, one + 3, infinity - 2, infinity - 1, infinity, infinity + 1,
          infinity | smallest_normal >> 1})
        for (const std::uint64_t sign : {std::uint64_t{0}, f.theirs.sign_mask()}) values.push_back(magnitude | sign);
    return values;
}

/// An operand whose exponent is spread over the format and whose fraction is often all zeros, all ones, or one bit.
std::uint64_t structured(const JudgedFormat &f, std::mt19937_64 &random) {
    const int fraction_bits = f.ours.precision - 1;
    std::uint64_t fraction = random();
    switch (random() % 4) {
    case 0: fraction = std::uint64_t{1} << (random() % static_cast<unsigned>(fraction_bits)); break;
    case 1: fraction = ~(std::uint64_t{1} << (random() % static_cast<unsigned>(fraction_bits))); break;
    case 2: fraction = random() % 2 ? 0 : ~std::uint64_t{0}; break;
    default: break;
    }
    const std::uint64_t field = random() % (std::uint64_t{1} << f.ours.exponent_bits);
    return (random() % 2 ? f.theirs.sign_mask() : 0) | field << fraction_bits | (fraction & ones(fraction_bits));
}

enum class Operation { add, subtract, multiply, divide, multiply_add, remainder };

Result compute(Operation op, const Format &f, const std::uint64_t *x, const RoundingMode &mode) {
    switch (op) {
    case Operation::add: return add(f, x[0], x[1], mode);
    case Operation::subtract: return subtract(f, x[0], x[1], mode);
    case Operation::multiply: return multiply(f, x[0], x[1], mode);
    case Operation::divide: return divide(f, x[0], x[1], mode);
    case Operation::multiply_add: return fused_multiply_add(f, x[0], x[1], x[2], mode);
    case Operation::remainder: return remainder(f, x[0], x[1]);
    }
    return {};
}

/// The oracle's result for finite operands; divisors are not zero.
oracle::Rounded judge(Operation op, const JudgedFormat &f, const std::uint64_t *x, oracle::Mode mode,
                      bool tiny_before) {
    const auto a = f.theirs.value(x[0]), b = f.theirs.value(x[1]);
    const bool sign_a = f.theirs.is_negative(x[0]), sign_b = f.theirs.is_negative(x[1]);
    bool zero_sign = false;
    oracle::Rational exact;
    const auto sum_zero = [&](bool sign_x, bool sign_y) {
        return sign_x == sign_y ? sign_x : mode == oracle::Mode::down;
    };
    switch (op) {
    case Operation::add:
        exact = a + b;
        zero_sign = sum_zero(sign_a, sign_b);
        break;
    case Operation::subtract:
        exact = a - b;
        zero_sign = sum_zero(sign_a, !sign_b);
        break;
    case Operation::multiply:
        exact = a * b;
        zero_sign = sign_a != sign_b;
        break;
    case Operation::divide:
        exact = a / b;
        zero_sign = sign_a != sign_b;
        break;
    case Operation::multiply_add:
        exact = a * b + f.theirs.value(x[2]);
        zero_sign = sum_zero(sign_a != sign_b, f.theirs.is_negative(x[2]));
        break;
    case Operation::remainder: {
        bool changed = false;
        const oracle::Rational quotient = a / b;
        exact = a - oracle::Rational{oracle::to_integer(quotient, oracle::Mode::near_even, changed), 1} * b;
        zero_sign = sign_a;
        break;
    }
    }
    if (exact.sign() == 0) return {zero_sign ? f.theirs.sign_mask() : 0, 0};
    return f.theirs.round(exact, mode, tiny_before);
}

void check(Operation op, const JudgedFormat &f, const std::uint64_t *x, oracle::Mode mode, bool tiny_before) {
    RoundingMode our_mode = ours(mode);
    our_mode.tininess = tiny_before ? Tininess::before_rounding : Tininess::after_rounding;
    const Result got = compute(op, f.ours, x, our_mode);
    const oracle::Rounded want = judge(op, f, x, mode, tiny_before);
    if (got.bits != want.bits || got.status != want.flags)
        FAIL_CHECK("operation " << static_cast<int>(op) << " in " << f.ours.name << " mode " << static_cast<int>(mode)
                                << std::hex << " on " << x[0] << " " << x[1] << " " << x[2] << ": got " << got.bits
                                << " " << unsigned{got.status} << ", want " << want.bits << " " << want.flags);
}

bool judged_by_rationals(Operation op, const JudgedFormat &f, const std::uint64_t *x) {
    const bool zero_b = (x[1] & ~f.theirs.sign_mask()) == 0;
    if ((op == Operation::divide || op == Operation::remainder) && zero_b) return false;
    return f.theirs.is_finite(x[0]) && f.theirs.is_finite(x[1]) &&
           (op != Operation::multiply_add || f.theirs.is_finite(x[2]));
}

constexpr Operation all_operations[] = {Operation::add,    Operation::subtract,     Operation::multiply,
                                        Operation::divide, Operation::multiply_add, Operation::remainder};

} // namespace

TEST_CASE("finite operands: landmarks crossed, structured and random, against exact rationals") {
    std::mt19937_64 random(20240229);
    for (const JudgedFormat &f : judged_formats) {
        const auto points = landmarks(f);
        const bool wide = f.ours.id == FormatId::fp64;
        for (const Operation op : all_operations) {
            for (const std::uint64_t a : points)
                for (const std::uint64_t b : points) {
                    const std::uint64_t x[] = {a, b, points[random() % points.size()]};
                    if (!judged_by_rationals(op, f, x) || (wide && op == Operation::remainder)) continue;
                    for (const oracle::Mode mode : oracle::all_modes) check(op, f, x, mode, false);
                }
            const int cases = wide ? 300 : f.ours.id == FormatId::fp32 ? 1500 : 4000;
            for (int i = 0; i < cases; ++i) {
                const std::uint64_t x[] = {structured(f, random), structured(f, random), structured(f, random)};
                if (!judged_by_rationals(op, f, x)) continue;
                check(op, f, x, oracle::all_modes[i % 5], i % 2 == 1);
            }
        }
    }
}

TEST_CASE("fma: double-rounding traps") {
    // a * b lies on or beside a rounding boundary and c is far smaller: rounding the product first, or going through a
    // wider format that is too narrow, gives another result.
    std::mt19937_64 random(7);
    for (const FormatId id : {FormatId::fp16, FormatId::bf16, FormatId::fp32}) {
        const JudgedFormat &f = judged(id);
        for (int i = 0; i < 6000; ++i) {
            std::uint64_t x[] = {structured(f, random), structured(f, random), 0};
            // c: up to 3 precisions below (or above) the product, either sign
            const auto product = f.theirs.round(f.theirs.value(x[0]) * f.theirs.value(x[1]), oracle::Mode::near_even);
            if (!f.theirs.is_finite(x[0]) || !f.theirs.is_finite(x[1]) || !f.theirs.is_finite(product.bits) ||
                (product.bits & ~f.theirs.sign_mask()) == 0)
                continue;
            const auto field = static_cast<int>((product.bits & ~f.theirs.sign_mask()) >> (f.ours.precision - 1));
            const int moved =
                field + static_cast<int>(random() % static_cast<unsigned>(6 * f.ours.precision)) - 4 * f.ours.precision;
            if (moved < 0 || moved >= static_cast<int>(ones(f.ours.exponent_bits))) continue;
            x[2] = (random() % 2 ? f.theirs.sign_mask() : 0) |
                   static_cast<std::uint64_t>(moved) << (f.ours.precision - 1) | (random() % 3 ? 0 : 1);
            for (const oracle::Mode mode : oracle::all_modes) check(Operation::multiply_add, f, x, mode, false);
        }
    }
}

TEST_CASE("special operands: the table of IEEE 754") {
    for (const JudgedFormat &judged_format : judged_formats) {
        const Format &f = judged_format.ours;
        const auto &theirs = judged_format.theirs;
        const std::uint64_t inf = theirs.infinity(), minus = theirs.sign_mask();
        const std::uint64_t quiet = default_nan(f), signaling = inf + 1;
        const std::uint64_t one = static_cast<std::uint64_t>(f.bias()) << (f.precision - 1);
        const auto is = [](const Result &r, std::uint64_t bits, unsigned status) {
            return r.bits == bits && r.status == status;
        };
        CHECK(is(add(f, inf, inf | minus), quiet, invalid));
        CHECK(is(subtract(f, inf, inf), quiet, invalid));
        CHECK(is(add(f, inf, one), inf, exact));
        CHECK(is(multiply(f, inf, 0), quiet, invalid));
        CHECK(is(multiply(f, inf, one | minus), inf | minus, exact));
        CHECK(is(divide(f, one, 0), inf, divide_by_zero));
        CHECK(is(divide(f, one | minus, 0), inf | minus, divide_by_zero));
        CHECK(is(divide(f, 0, 0), quiet, invalid));
        CHECK(is(divide(f, inf, inf), quiet, invalid));
        CHECK(is(divide(f, one, inf), 0, exact));
        CHECK(is(remainder(f, inf, one), quiet, invalid));
        CHECK(is(remainder(f, one, 0), quiet, invalid));
        CHECK(is(remainder(f, one, inf), one, exact));
        CHECK(is(fused_multiply_add(f, inf, 0, one), quiet, invalid));
        CHECK(is(fused_multiply_add(f, inf, 0, quiet), quiet, invalid));
        CHECK(is(fused_multiply_add(f, inf, one, inf | minus), quiet, invalid));
        CHECK(is(fused_multiply_add(f, one, one, inf | minus), inf | minus, exact));
        CHECK(is(add(f, signaling, one), signaling | quiet, invalid));
        CHECK(is(add(f, one, quiet), quiet, exact));
        CHECK(is(fused_multiply_add(f, quiet, one, signaling), quiet, invalid));
    }
}

TEST_CASE("comparisons agree with the hardware on fp32, and see NaN") {
    std::mt19937_64 random(3);
    const Format &f = format_of(FormatId::fp32);
    const auto points = landmarks(judged(FormatId::fp32));
    for (const std::uint64_t a : points)
        for (const std::uint64_t b : points) {
            const float x = std::bit_cast<float>(static_cast<std::uint32_t>(a));
            const float y = std::bit_cast<float>(static_cast<std::uint32_t>(b));
            CHECK(equal(f, a, b).value == (x == y));
            CHECK(less(f, a, b).value == (x < y));
            CHECK(less_equal(f, a, b).value == (x <= y));
            const bool unordered = x != x || y != y;
            CHECK((less(f, a, b).status == invalid) == unordered);
            const auto &judge = judged(FormatId::fp32).theirs;
            CHECK((equal(f, a, b).status == invalid) == (judge.is_signaling(a) || judge.is_signaling(b)));
        }
}

TEST_CASE("saturation, flushing and stochastic rounding") {
    const Format &f16 = format_of(FormatId::fp16);
    const Format &f32 = format_of(FormatId::fp32);
    const auto from_float = [&](float x, const RoundingMode &mode) {
        return convert(f32, std::bit_cast<std::uint32_t>(x), f16, mode);
    };
    RoundingMode saturating;
    saturating.saturate = true;
    CHECK(from_float(1e6f, saturating).bits == 0x7bff);
    CHECK(from_float(1e6f, saturating).status == (overflow | inexact));
    RoundingMode flushing;
    flushing.flush_subnormals = true;
    CHECK(from_float(-6.0e-5f, flushing).bits == 0x8000);
    CHECK(from_float(-6.0e-5f, flushing).status == (underflow | inexact));
    CHECK(from_float(0x1p-14f, flushing).bits == 0x0400);

    // 1 + 2^-12 lies a quarter of an ulp above 1: with uniform random words it goes up a quarter of the time.
    std::mt19937_64 random(11);
    const int draws = 40000;
    int up = 0;
    for (int i = 0; i < draws; ++i) {
        RoundingMode mode;
        mode.rounding = Rounding::stochastic;
        mode.random = random();
        up += from_float(1.0f + 0x1p-12f, mode).bits == 0x3c01;
    }
    // Five standard deviations of a binomial with p = 1/4.
    const double deviation = std::sqrt(draws * 0.25 * 0.75);
    CHECK(std::abs(up - draws * 0.25) < 5 * deviation);
    RoundingMode never;
    never.rounding = Rounding::stochastic;
    never.random = 0;
    CHECK(from_float(1.0f, never).bits == 0x3c00);

    const Format &e4m3 = format_of(FormatId::fp8_e4m3);
    CHECK(convert(f32, std::bit_cast<std::uint32_t>(448.0f), e4m3).bits == 0x7e);
    CHECK(convert(f32, std::bit_cast<std::uint32_t>(464.0f), e4m3).bits == 0x7e); // tie with 480, which is not there
    CHECK(convert(f32, std::bit_cast<std::uint32_t>(465.0f), e4m3).bits == 0x7f); // NaN: there is no infinity
    CHECK(convert(f32, std::bit_cast<std::uint32_t>(1e9f), e4m3, saturating).bits == 0x7e);
}
