// The matrix-unit model against a second transcription of its five steps, in double arithmetic on values instead of
// integers on encodings, and against bits worked out by hand.
#include "emulation/number/tensor_core.h"
#include "tests/number/tensor_core/by_values.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

using namespace halfscope::number;
using halfscope::test::by_values, halfscope::test::value_of;

namespace {

std::uint64_t in_fp32(float x) { return std::bit_cast<std::uint32_t>(x); }

std::uint64_t ones_onto(const TensorCore &core, int ones_count, float c) {
    std::vector<std::uint32_t> a(static_cast<std::size_t>(core.block), 0), b(a);
    for (int i = 0; i < ones_count; ++i) a[static_cast<std::size_t>(i)] = b[static_cast<std::size_t>(i)] = 0x3c00;
    return fused_dot_add(core, format_of(FormatId::fp16), a, b, format_of(FormatId::fp32), in_fp32(c));
}

} // namespace

TEST_CASE("alignment keeps exactly the row's fraction bits") {
    // c = 2^F: its unit in the last kept place is 1, so four ones survive; at c = 2^(F+1) each one is cut away on its
    // own.
    for (const TensorCore &core : tensor_cores) {
        const float kept = std::ldexp(1.0f, core.fraction_bits), cut = std::ldexp(1.0f, core.fraction_bits + 1);
        CHECK(ones_onto(core, 4, kept) == in_fp32(kept + 4));
        CHECK(ones_onto(core, 4, cut) == in_fp32(cut));
    }
}

TEST_CASE("fp32 output is cut, not rounded; overflow is infinite; a zero sum is positive") {
    const TensorCore &hopper = tensor_cores[4];
    const Format &f16 = format_of(FormatId::fp16), &bf16 = format_of(FormatId::bf16), &f32 = format_of(FormatId::fp32);
    const std::vector<std::uint32_t> one{0x3c00}, almost_one{0x3bff}, minus_one{0xbc00};
    // 2^23 + 0.99951: nearest would be 2^23 + 1
    CHECK(fused_dot_add(hopper, f16, one, almost_one, f32, in_fp32(8388608.0f)) == in_fp32(8388608.0f));
    CHECK(fused_dot_add(hopper, f16, minus_one, almost_one, f32, in_fp32(-8388608.0f)) == in_fp32(-8388608.0f));
    CHECK(fused_dot_add(hopper, f16, one, minus_one, f32, in_fp32(1.0f)) == 0);
    CHECK(fused_dot_add(hopper, f16, {}, {}, f32, in_fp32(-0.0f)) == 0);
    const std::vector<std::uint32_t> largest{0x7f7f};
    CHECK(fused_dot_add(hopper, bf16, largest, largest, f32, 0) == 0x7f800000);
    const std::vector<std::uint32_t> inf{0x7c00}, minus_inf{0xfc00}, zero_operand{0};
    CHECK(fused_dot_add(hopper, f16, inf, zero_operand, f32, 0) == tensor_core_nan_fp32);
    CHECK(fused_dot_add(hopper, f16, inf, one, f32, in_fp32(-HUGE_VALF)) == tensor_core_nan_fp32);
    CHECK(fused_dot_add(hopper, f16, minus_inf, one, format_of(FormatId::fp16), 0) == 0xfc00);
    CHECK(fused_dot_add(hopper, f16, inf, zero_operand, format_of(FormatId::fp16), 0) == tensor_core_nan_fp16);
}

TEST_CASE("random and structured blocks: integers on encodings equal doubles on values") {
    std::mt19937_64 random(42);
    for (const TensorCore &core : tensor_cores)
        for (const FormatId id : {FormatId::fp16, FormatId::bf16})
            for (const bool narrow : {false, true}) {
                if ((id == FormatId::bf16 && (!core.bf16 || narrow))) continue;
                const Format &f = format_of(id), &acc = format_of(narrow ? FormatId::fp16 : FormatId::fp32);
                for (int i = 0; i < 4000; ++i) {
                    std::vector<std::uint32_t> a(static_cast<std::size_t>(core.block)), b(a);
                    // Exponents in a window that moves and widens: from heavy cancellation to spans beyond the fraction
                    // bits.
                    const unsigned fields = 1u << f.exponent_bits, centre = static_cast<unsigned>(random()) % fields,
                                   spread = 1 + static_cast<unsigned>(random()) % (i % 3 == 0 ? fields : 6);
                    const auto operand = [&] {
                        const unsigned field =
                            i % 50 == 0
                                ? static_cast<unsigned>(random()) % fields
                                : std::min(fields - 2, (centre + static_cast<unsigned>(random()) % spread) % fields);
                        return static_cast<std::uint32_t>((random() & 1) << 15 | field << (f.precision - 1) |
                                                          (random() & ones(f.precision - 1)));
                    };
                    for (auto &x : a) x = operand();
                    for (auto &x : b) x = operand();
                    std::uint64_t c = random() & ones(acc.storage_bits);
                    if (i % 4 == 1) c = 0;
                    if (i % 4 == 2 && !narrow) { // about as large as the products, to cancel
                        double dot = 0;
                        for (std::size_t k = 0; k < a.size(); ++k) dot -= value_of(f, a[k]) * value_of(f, b[k]);
                        c = in_fp32(static_cast<float>(dot));
                    }
                    const std::uint64_t got = fused_dot_add(core, f, a, b, acc, c),
                                        want = by_values(core, f, a, b, narrow, c);
                    if (got != want)
                        FAIL_CHECK(core.name << " " << f.name << " case " << i << ": got " << got << ", want " << want);
                }
            }
}
