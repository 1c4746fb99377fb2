// A sample of every function's inputs; the exhaustive program takes all of them.
#include "tests/ops/transcendental/accuracy.h"

#include "emulation/number/simd_targets.h"

#include <doctest/doctest.h>
#include <hwy/targets.h>

#include <limits>

using namespace halfscope;
using namespace halfscope::tests;
namespace t = halfscope::ops::transcendental;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

/// Bits as given, except that all NaN are one.
std::uint32_t bits(float x) { return std::isnan(x) ? 0x7fc00000u : std::bit_cast<std::uint32_t>(x); }

} // namespace

TEST_CASE("a sample over all exponents stays within the stated errors, scalar and array bits equal") {
    // An odd stride visits every residue of the low bits.
    constexpr std::uint32_t stride = 16381;
    for (const Function &function : functions()) {
        const Worst worst = sweep(function, 0, stride, (std::uint64_t{1} << 32) / stride, true);
        CAPTURE(function.name);
        CAPTURE(worst.input);
        CAPTURE(worst.got);
        CAPTURE(worst.wanted);
        CAPTURE(worst.unequal_at);
        CHECK(worst.error <= function.stated);
        CHECK(worst.unequal == 0);
    }
}

TEST_CASE("the SIMD levels give the bits of the scalar") {
    std::vector<float> x, y;
    for (std::uint64_t i = 0; i < 1u << 16; ++i)
        x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(i * 65521)));
    // Around the edges of every range a definition distinguishes.
    for (const float edge :
         {0.0f, 0x1p-126f, 0x1p-149f, 0.625f, 0.92f, 4.0f, 10.0f, 89.0f, 88.72283f, -103.97f, -104.0f, 0.70710678f,
          1.0f, 1.41421356f, 0x1p16f, 0x1p31f, 0x1p127f, infinity, nan_value}) {
        const auto centre = std::bit_cast<std::uint32_t>(edge);
        for (std::uint32_t step = 0; step < 64; ++step)
            for (const std::uint32_t sign : {0u, 0x80000000u})
                x.push_back(std::bit_cast<float>((centre - 32 + step) ^ sign));
    }
    y.resize(x.size());
    int levels = 0;
    for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
        hwy::SetSupportedTargetsForTest(target);
        ++levels;
        CAPTURE(hwy::TargetName(target));
        for (const Function &function : functions()) {
            function.array(x.data(), y.data(), x.size());
            std::size_t different = 0;
            float at = 0;
            for (std::size_t i = 0; i < x.size(); ++i)
                if (bits(y[i]) != bits(function.scalar(x[i])) && different++ == 0) at = x[i];
            CAPTURE(function.name);
            CAPTURE(at);
            CHECK(different == 0);
        }
    }
    hwy::SetSupportedTargetsForTest(0);
    CHECK(levels >= 1);
}

TEST_CASE("every length and alignment of an array is computed alike, and nothing beyond it is written") {
    std::vector<float> x(80), y(80);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) * 0.37f - 11.0f;
    for (std::size_t first : {0u, 1u, 3u})
        for (std::size_t count = 0; first + count < 70; ++count) {
            std::fill(y.begin(), y.end(), 12345.0f);
            t::tanh(x.data() + first, y.data() + first, count);
            for (std::size_t i = 0; i < y.size(); ++i) {
                const bool inside = i >= first && i < first + count;
                REQUIRE(bits(y[i]) == bits(inside ? t::tanh(x[i]) : 12345.0f));
            }
        }
}

TEST_CASE("special arguments") {
    const auto check = [](float got, float wanted) { CHECK(bits(got) == bits(wanted)); };
    check(t::exp(0.0f), 1);
    check(t::exp(-0.0f), 1);
    check(t::exp(infinity), infinity);
    check(t::exp(-infinity), 0);
    check(t::exp(nan_value), nan_value);
    check(t::exp(88.722832f), 0x1.ffff08p+127f); // the last that does not overflow
    check(t::exp(88.72284f), infinity);
    check(t::exp(-103.97207f), 0x1p-149f); // the last that does not vanish
    check(t::exp(-103.97209f), 0);
    check(t::log(0.0f), -infinity);
    check(t::log(-0.0f), -infinity);
    check(t::log(1.0f), 0);
    check(t::log(-1.0f), nan_value);
    check(t::log(-infinity), nan_value);
    check(t::log(infinity), infinity);
    check(t::log(nan_value), nan_value);
    for (auto *odd : {t::tanh<float>, t::erf<float>}) {
        check(odd(0.0f), 0.0f);
        check(odd(-0.0f), -0.0f);
        check(odd(infinity), 1);
        check(odd(-infinity), -1);
        check(odd(nan_value), nan_value);
        check(odd(0x1p127f), 1);
    }
    check(t::tanh(0x1p-149f), 0x1p-149f);
    check(t::sin(0.0f), 0.0f);
    check(t::sin(-0.0f), -0.0f);
    check(t::sin(0x1p-149f), 0x1p-149f);
    check(t::cos(0.0f), 1);
    check(t::cos(-0.0f), 1);
    for (auto *periodic : {t::sin<float>, t::cos<float>}) {
        check(periodic(infinity), nan_value);
        check(periodic(-infinity), nan_value);
        check(periodic(nan_value), nan_value);
    }
    check(t::rsqrt(4.0f), 0.5f);
    check(t::rsqrt(0.0f), infinity);
}

TEST_CASE("in double the functions are the C library's") {
    const double x[] = {0.3, -2.5, 700.0};
    double y[3];
    t::exp(x, y, 3);
    for (int i = 0; i < 3; ++i) CHECK(y[i] == std::exp(x[i]));
    CHECK(t::erf(0.3) == std::erf(0.3));
}
