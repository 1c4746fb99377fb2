#include "emulation/ops/formulas/formulas.h"

#include <hwy/targets.h>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

using namespace halfscope::ops;

namespace {

/// Normal values over many binades, with specials sprinkled in.
template <typename C> std::vector<C> operand(std::size_t count, unsigned seed) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<double> significand;
    std::uniform_int_distribution<int> exponent(-30, 30);
    std::vector<C> values(count);
    for (C &value : values) value = static_cast<C>(std::ldexp(significand(engine), exponent(engine)));
    const C specials[] = {C(0),
                          -C(0),
                          std::numeric_limits<C>::infinity(),
                          -std::numeric_limits<C>::infinity(),
                          std::numeric_limits<C>::quiet_NaN(),
                          std::numeric_limits<C>::denorm_min()};
    for (std::size_t i = seed; i < count; i += 41) values[i] = specials[i / 41 % 6];
    return values;
}

/// Equal bits, or both NaN (which NaN is left open).
template <typename C> bool same(const std::vector<C> &a, const std::vector<C> &b) {
    for (std::size_t i = 0; i < a.size(); ++i)
        if (!(std::isnan(a[i]) && std::isnan(b[i])) && (a[i] != b[i] || std::signbit(a[i]) != std::signbit(b[i])))
            return false;
    return true;
}

template <typename C> void check_all() {
    const C p = C(1.1), q = C(0.37), r = C(-2.3), s = C(7e-3);
    for (const std::size_t n : {std::size_t{1}, std::size_t{7}, std::size_t{32}, std::size_t{1003}}) {
        const auto x = operand<C>(n, 1), y = operand<C>(n, 2), z = operand<C>(n, 3);
        const auto check = [&](const std::string &name, const auto &array, const auto &element) {
            CAPTURE(name);
            std::vector<C> expected(n), found(n), in_place = x;
            for (std::size_t i = 0; i < n; ++i) expected[i] = element(x[i], y[i], z[i]);
            array(x.data(), found.data());
            CHECK(same(found, expected));
            array(in_place.data(), in_place.data());
            CHECK(same(in_place, expected));
        };
        const auto fma = [](C a, C b, C c) { return std::fma(a, b, c); };
        const C *b = y.data(), *c = z.data();
        check(
            "normalise", [&](const C *a, C *out) { formulas::normalise(a, p, q, r, s, out, n); },
            [&](C a, C, C) { return fma((a - p) * q, r, s); });
        check(
            "normalise_each", [&](const C *a, C *out) { formulas::normalise_each(a, b, c, p, q, out, n); },
            [&](C a, C g, C h) { return fma((a - p) * q, g, h); });
        check(
            "centred_gradient", [&](const C *a, C *out) { formulas::centred_gradient(a, b, p, q, r, s, out, n); },
            [&](C dy, C v, C) { return fma(-(v - p), q, dy - r) * s; });
        check(
            "row_gradient", [&](const C *a, C *out) { formulas::row_gradient(a, b, p, q, r, out, n); },
            [&](C g, C h, C) { return fma(-h, p, g - q) * r; });
        check(
            "multiply_add", [&](const C *a, C *out) { formulas::multiply_add(p, a, b, out, n); },
            [&](C u, C v, C) { return fma(p, u, v); });
        check(
            "weighted_sum", [&](const C *a, C *out) { formulas::weighted_sum(p, a, q, b, out, n); },
            [&](C u, C v, C) { return fma(p, u, q * v); });
        check(
            "move_towards", [&](const C *a, C *out) { formulas::move_towards(p, a, b, out, n); },
            [&](C u, C v, C) { return fma(p, u - v, v); });
        check(
            "add_square", [&](const C *a, C *out) { formulas::add_square(p, a, b, out, n); },
            [&](C u, C v, C) { return fma(p * u, u, v); });
        check(
            "square_root", [&](const C *a, C *out) { formulas::square_root(a, out, n); },
            [&](C u, C, C) { return std::sqrt(u); });
        check(
            "adam_quotient", [&](const C *a, C *out) { formulas::adam_quotient(a, b, p, q, out, n); },
            [&](C u, C v, C) { return u / (std::sqrt(v) / p + q); });
    }
}

} // namespace

TEST_CASE("every formula gives the bits of its definition at every SIMD level") {
    check_all<double>();
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
        CAPTURE(hwy::TargetName(target));
        hwy::SetSupportedTargetsForTest(target);
        check_all<float>();
    }
    hwy::SetSupportedTargetsForTest(0);
}
