// VDPBF16PS's model against the machine's own fp32 fma with its flushing done by hand, and against bits worked out.
#include "emulation/number/cpu_dot_product.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <random>

using namespace halfscope::number;

namespace {

float wide(std::uint16_t bf16) { return std::bit_cast<float>(std::uint32_t{bf16} << 16); }
float flushed(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }

float step(float a, float b, float c) {
    a = flushed(a), b = flushed(b), c = flushed(c);
    const float sum = std::fma(a, b, c);
    // Tiny after rounding: with 30 more binades below, does the rounded sum stay under the smallest normal?
    const bool near = std::fabs(sum) < 0x1p-100f && std::fabs(c) < 0x1p-90f;
    if (near && std::fabs(std::fma(a * 0x1p30f, b, c * 0x1p30f)) < 0x1p-96f) return std::copysign(0.0f, sum);
    return sum;
}

} // namespace

TEST_CASE("pairs: the odd element first, subnormals flushed on the way in and out") {
    std::mt19937_64 random(3);
    for (int i = 0; i < 400000; ++i) {
        // A third anywhere, a third near the smallest normals, a third ordinary.
        const auto operand = [&] {
            const auto field = static_cast<unsigned>(i % 3 == 0   ? random() % 256
                                                     : i % 3 == 1 ? 60 + random() % 8
                                                                  : 120 + random() % 12);
            return static_cast<std::uint16_t>((random() & 0x807F) | field << 7);
        };
        const std::uint16_t a0 = operand(), a1 = operand(), b0 = operand(), b1 = operand();
        const auto c_field = static_cast<std::uint32_t>(i % 3 == 0   ? random() % 256
                                                        : i % 3 == 1 ? random() % 4
                                                                     : 120 + random() % 12);
        const auto c = static_cast<std::uint32_t>((random() & 0x807FFFFFu) | c_field << 23);
        const std::uint32_t got = dot_pair_bf16(c, a0, a1, b0, b1);
        const float want = step(wide(a0), wide(b0), step(wide(a1), wide(b1), std::bit_cast<float>(c)));
        const bool both_nan = std::isnan(want) && std::isnan(std::bit_cast<float>(got));
        if (got != std::bit_cast<std::uint32_t>(want) && !both_nan)
            FAIL_CHECK("case " << i << ": got " << got << ", want " << std::bit_cast<std::uint32_t>(want));
    }
}

TEST_CASE("order and tininess by hand") {
    // 2^24 + 1 + 1: each 1 is lost alone to the even neighbour; 1 + 2^24 would be too. -2^24 as the even product shows
    // which came first: (1 + 2^24) - 2^24 = 0, where (1 - 2^24) + 2^24 = 1.
    const std::uint16_t one = 0x3f80, large = 0x4b80, minus_one = 0xbf80;
    CHECK(dot_pair_bf16(0x3f800000, large, large, minus_one, one) == 0);
    CHECK(dot_pair_bf16(0x3f800000, large, large, one, minus_one) == 0x3f800000);
    // 2^-126 (1 - 3/4 2^-24): nearest with 24 bits is below 2^-126, though the subnormal grid would round it up to it.
    // c = 2^-126, product = -2^-126 2^-24 3/4 = -1.5 2^-75 * 2^-76
    CHECK(flushing_fma(0x9a40, 0x1980, 0x00800000) == 0);
    CHECK(flushing_fma(0x9a40, 0x1900, 0x00800000) == 0x00800000); // half of that rounds to 2^-126 itself
    CHECK(flushing_fma(0x0001, 0x7f00, 0x00000001) == 0);          // subnormal operands are zeros
}
