// The flags that arithmetic depends on took: nothing is contracted into an fma, nothing assumes finite values.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#ifdef __FAST_MATH__
#error "fast-math defines the arithmetic away"
#endif
#ifdef __FINITE_MATH_ONLY__
static_assert(__FINITE_MATH_ONLY__ == 0, "infinities and NaN are data here");
#endif

TEST_CASE("a product and a sum are rounded separately") {
    // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24: the product rounds to 1 + 2^-11, so the difference is 0; an fma would keep
    // 2^-24.
    volatile float a = 1.0f + 0x1p-12f;
    volatile float c = -(1.0f + 0x1p-11f);
    const float x = a, z = c;
    CHECK(x * x + z == 0.0f);
    CHECK(std::fma(x, x, z) == 0x1p-24f);
}

TEST_CASE("NaN, signed zeros and subnormals are kept") {
    volatile float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(nan != nan);
    volatile float zero = -0.0f;
    CHECK(std::signbit(zero + -0.0f));
    volatile float smallest = std::numeric_limits<float>::min();
    CHECK(smallest / 2 > 0); // flushed to zero if the start-up code of fast-math were linked
}
