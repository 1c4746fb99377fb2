// The bulk rounder against tests/number/bulk/bulk_reference.h, bit for bit and count for count, at every SIMD level.
#include "tests/number/bulk/bulk_reference.h"

#include <doctest/doctest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <functional>
#include <random>
#include <string>

namespace halfscope::number {
namespace {

using bulk_reference::float_of;

void for_every_level(const std::function<void()> &body) {
    for (const std::int64_t level :
         {std::int64_t{HWY_AVX3}, std::int64_t{HWY_AVX2}, std::int64_t{HWY_SSE4}, std::int64_t{HWY_STATIC_TARGET}}) {
        hwy::SetSupportedTargetsForTest(0);
        if ((hwy::SupportedTargets() & level) == 0) continue;
        hwy::SetSupportedTargetsForTest(level);
        const std::string name = hwy::TargetName(level);
        INFO("SIMD level ", name);
        body();
    }
    hwy::SetSupportedTargetsForTest(0);
}

std::string difference(const RangeStatistics &got, const RangeStatistics &wanted) {
    std::string out;
    const auto field = [&](const char *name, double a, double b) {
        if (!(a == b)) out += std::string(name) + " " + std::to_string(a) + " not " + std::to_string(b) + "; ";
    };
    const auto count = [](std::uint64_t n) { return static_cast<double>(n); };
    field("count", count(got.count), count(wanted.count));
    field("zeros", count(got.zeros), count(wanted.zeros));
    field("subnormals", count(got.subnormals), count(wanted.subnormals));
    field("underflows", count(got.underflows), count(wanted.underflows));
    field("overflows", count(got.overflows), count(wanted.overflows));
    field("infinities", count(got.infinities), count(wanted.infinities));
    field("nans", count(got.nans), count(wanted.nans));
    field("amax", static_cast<double>(got.amax), static_cast<double>(wanted.amax));
    field("amin", static_cast<double>(got.amin), static_cast<double>(wanted.amin));
    field("sum", got.sum, wanted.sum);
    field("sum_abs", got.sum_abs, wanted.sum_abs);
    field("sum_squares", got.sum_squares, wanted.sum_squares);
    field("sum_squared_error", got.sum_squared_error, wanted.sum_squared_error);
    field("sum_magnitude_error", got.sum_magnitude_error, wanted.sum_magnitude_error);
    for (std::size_t b = 0; b < 256; ++b)
        field(("binade " + std::to_string(b)).c_str(), count(got.exponents[b]), count(wanted.exponents[b]));
    return out;
}

/// Rounds `source` with and without statistics, with and without a destination, and compares everything.
void check(const std::vector<float> &source, FormatId format, const RoundArrayOptions &options) {
    const bulk_reference::Expected expected = bulk_reference::round(source, format, options);
    const auto compare_bits = [&](const void *stored) {
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < source.size(); ++i) {
            const std::uint32_t bits = format == FormatId::fp32 ? static_cast<const std::uint32_t *>(stored)[i]
                                                                : static_cast<const std::uint16_t *>(stored)[i];
            if (bits != expected.bits[i] && wrong++ < 3)
                FAIL_CHECK("element ", i, ", source ", bulk_reference::word_of(source[i]), ": stored ", bits,
                           ", wanted ", expected.bits[i]);
        }
        CHECK(wrong == 0);
    };
    for_every_level([&] {
        // A guard behind the end shows stores that go too far.
        std::vector<std::uint32_t> plain(source.size() + 16, 0xA5A5A5A5u), measured = plain;
        const std::size_t used = source.size() * (format == FormatId::fp32 ? 4 : 2);
        round_array(source.data(), source.size(), format, plain.data(), options);
        compare_bits(plain.data());
        RangeStatistics statistics, unstored;
        round_array(source.data(), source.size(), format, measured.data(), options, &statistics);
        compare_bits(measured.data());
        std::size_t overwritten = 0;
        for (const auto *memory : {&plain, &measured})
            for (std::size_t at = used; at < memory->size() * 4; ++at)
                overwritten += reinterpret_cast<const unsigned char *>(memory->data())[at] != 0xA5;
        CHECK(overwritten == 0);
        CHECK(difference(statistics, expected.statistics) == "");
        round_array(source.data(), source.size(), format, nullptr, options, &unstored);
        CHECK(difference(unstored, expected.statistics) == "");
    });
}

void check_all_modes(const std::vector<float> &source) {
    for (const FormatId format : {FormatId::fp16, FormatId::bf16, FormatId::fp32})
        for (const ArrayRounding mode :
             {ArrayRounding::nearest_even, ArrayRounding::toward_zero, ArrayRounding::stochastic})
            for (const bool flush : {false, true}) {
                if (format == FormatId::fp32 && mode != ArrayRounding::nearest_even) continue;
                INFO("format ", format_of(format).name, ", mode ", static_cast<int>(mode), ", flush ", flush);
                check(source, format, {mode, flush, 0x123456789ABCDEFull, 7, 11, 4096 * 3});
            }
}

std::vector<float> spread(std::size_t count, unsigned seed, float scale, int binades) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float &x : values)
        x = std::ldexp(normal(random) * scale, -static_cast<int>(random() % static_cast<unsigned>(binades)));
    return values;
}

TEST_CASE("round_array: every length up to 200, and lengths around a block") {
    for (std::size_t length = 0; length <= 200; ++length) {
        INFO("length ", length);
        const auto values = spread(length, static_cast<unsigned>(length), 100.0F, 30);
        check(values, FormatId::fp16, {});
        check(values, FormatId::bf16, {});
    }
    for (const std::size_t length : {511u, 512u, 513u, 4095u, 4096u, 4097u, 8200u}) {
        INFO("length ", length);
        check_all_modes(spread(length, 5, 1.0F, 4));
    }
}

TEST_CASE("round_array: tensors as they occur, and worse") {
    check_all_modes(spread(9000, 1, 1.0F, 1));       // weights
    check_all_modes(spread(9000, 2, 1e-4F, 12));     // gradients that partly underflow
    check_all_modes(spread(9000, 3, 6e4F, 2));       // partly overflowing
    check_all_modes(spread(9000, 4, 1e30F, 140));    // more binades than are compared one by one
    check_all_modes(spread(9000, 5, 1e-13F, 2));     // squares below fp32's range, were they summed there
    check_all_modes(spread(9000, 6, 1e25F, 3));      // and above
    check_all_modes(spread(9000, 7, 0x1p-120F, 25)); // fp32 subnormals
    auto relu = spread(9000, 8, 1.0F, 3);
    for (float &x : relu) x = std::max(x, 0.0F);
    check_all_modes(relu);
    check_all_modes(std::vector<float>(5000, 0.0F));
    check_all_modes(std::vector<float>(5000, -0.0F));
    check_all_modes(std::vector<float>(5000, 1.0F));
}

TEST_CASE("round_array: NaN, infinities and the largest values among others") {
    auto values = spread(10000, 9, 10.0F, 5);
    const std::vector<std::uint32_t> specials{0x7F800000u, 0xFF800000u, 0x7FC00000u, 0xFFC00000u, 0x7F800001u,
                                              0xFF801FFFu, 0x7FFFFFFFu, 0x7F7FFFFFu, 0xFF7FFFFFu, 0x00000001u};
    for (std::size_t i = 0; i < specials.size(); ++i) values[i * 977] = float_of(specials[i]);
    check_all_modes(values);
    std::vector<float> only;
    for (int i = 0; i < 100; ++i)
        for (const std::uint32_t bits : specials) only.push_back(float_of(bits));
    check_all_modes(only);
    check_all_modes(std::vector<float>(4100, float_of(0x7FC00000u)));
    check_all_modes(std::vector<float>(4100, float_of(0xFF800000u)));
}

/// Every value of a 16-bit format, the midpoints between neighbours, and the fp32 values beside each.
std::vector<float> around_every_value(FormatId format) {
    std::vector<float> values;
    for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
        const std::uint32_t at = bulk_reference::word_of(widen_16bit(static_cast<std::uint16_t>(bits), format));
        const auto next = static_cast<std::uint16_t>(bits + 1);
        const double middle =
            0.5 * (static_cast<double>(float_of(at)) + static_cast<double>(widen_16bit(next, format)));
        const std::uint32_t between = bulk_reference::word_of(static_cast<float>(middle));
        for (const std::uint32_t centre : {at, between})
            for (const std::uint32_t bits32 : {centre - 1, centre, centre + 1}) values.push_back(float_of(bits32));
    }
    return values;
}

TEST_CASE("round_array: all 2^16 values, their midpoints and their fp32 neighbours") {
    for (const FormatId format : {FormatId::fp16, FormatId::bf16}) {
        const auto values = around_every_value(format);
        INFO("around values of ", format_of(format).name);
        for (const ArrayRounding mode :
             {ArrayRounding::nearest_even, ArrayRounding::toward_zero, ArrayRounding::stochastic})
            check(values, format, {mode, false, 99, 1, 2, 3});
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::uint16_t bits = round_to_16bit(values[i], format);
            if (bits != bulk_reference::rounded_bits(values[i], format, ArrayRounding::nearest_even, false, 0))
                FAIL_CHECK("round_to_16bit of ", bulk_reference::word_of(values[i]));
        }
    }
}

TEST_CASE("widen_array: all 2^16 values, at every SIMD level and alignment") {
    std::vector<std::uint16_t> all(0x10000);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
    for (const FormatId format : {FormatId::fp16, FormatId::bf16})
        for_every_level([&] {
            for (const std::size_t first : {0u, 1u, 3u}) {
                std::vector<float> wide(all.size() - first);
                widen_array(all.data() + first, wide.size(), format, wide.data());
                std::size_t wrong = 0;
                for (std::size_t i = 0; i < wide.size(); ++i) {
                    const std::uint16_t bits = all[first + i];
                    const bool nan = (bits & 0x7FFF) > (format == FormatId::fp16 ? 0x7C00 : 0x7F80);
                    // An exact conversion is the one whose value encodes back to the same bits.
                    if (nan)
                        wrong += !std::isnan(wide[i]) || std::signbit(wide[i]) != ((bits & 0x8000) != 0);
                    else
                        wrong += bulk_reference::encoding(static_cast<double>(wide[i]), format) != bits;
                }
                CHECK(wrong == 0);
            }
        });
}

TEST_CASE("round_array: sources and destinations of any alignment") {
    const auto values = spread(5000, 10, 1.0F, 3);
    const auto expected = bulk_reference::round({values.begin() + 3, values.end()}, FormatId::bf16, {});
    for_every_level([&] {
        std::vector<std::uint16_t> stored(values.size() + 1);
        RangeStatistics statistics;
        round_array(values.data() + 3, values.size() - 3, FormatId::bf16, stored.data() + 1, {}, &statistics);
        CHECK(difference(statistics, expected.statistics) == "");
        for (std::size_t i = 0; i < expected.bits.size(); ++i) REQUIRE(stored[i + 1] == expected.bits[i]);
    });
}

TEST_CASE("round_array: fp32 in place, flushed and not") {
    const auto values = spread(5000, 11, 0x1p-120F, 12);
    for (const bool flush : {false, true}) {
        const RoundArrayOptions options{ArrayRounding::nearest_even, flush};
        const auto expected = bulk_reference::round(values, FormatId::fp32, options);
        for_every_level([&] {
            auto memory = values;
            RangeStatistics statistics;
            round_array(memory.data(), memory.size(), FormatId::fp32, memory.data(), options, &statistics);
            CHECK(difference(statistics, expected.statistics) == "");
            for (std::size_t i = 0; i < memory.size(); ++i)
                REQUIRE(bulk_reference::word_of(memory[i]) == expected.bits[i]);
        });
    }
}

TEST_CASE("round_array: large arrays, which bypass the caches, hold the same bits") {
    const std::size_t count = (std::size_t{17} << 20) / 2;
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i)
        values[i] = static_cast<float>(static_cast<int>(i * 2654435761u)) * 0x1p-33F;
    for (const FormatId format : {FormatId::fp16, FormatId::bf16}) {
        auto *stored = static_cast<std::uint16_t *>(std::aligned_alloc(64, count * 2));
        RangeStatistics statistics, in_parts;
        round_array(values.data(), count, format, stored, {}, &statistics);
        std::vector<std::uint16_t> part(4096);
        for (std::size_t first = 0; first < count; first += 4096) {
            const std::size_t n = std::min<std::size_t>(4096, count - first);
            RangeStatistics one;
            round_array(values.data() + first, n, format, part.data(), {}, &one);
            in_parts.merge(one);
            REQUIRE(std::memcmp(part.data(), stored + first, n * 2) == 0);
        }
        CHECK(difference(statistics, in_parts) == "");
        std::free(stored);
    }
}

TEST_CASE("measure_array: stored values neither underflow nor overflow") {
    const auto values = spread(6000, 12, 1e-3F, 20);
    for (const FormatId format : {FormatId::fp16, FormatId::bf16}) {
        const auto rounded = bulk_reference::round(values, format, {});
        std::vector<std::uint16_t> stored(rounded.bits.begin(), rounded.bits.end());
        std::vector<float> wide(values.size());
        widen_array(stored.data(), stored.size(), format, wide.data());
        const auto expected = bulk_reference::round(wide, format, {});
        for_every_level([&] {
            RangeStatistics statistics;
            measure_array(stored.data(), stored.size(), format, statistics);
            CHECK(difference(statistics, expected.statistics) == "");
            CHECK(statistics.underflows == 0);
            CHECK(statistics.overflows == 0);
            CHECK(statistics.sum_squared_error == 0);
        });
    }
}

/// Bound on |mean - p| of n independent draws that holds with probability 1 - 2 exp(-2 t^2) (Hoeffding); t = 4 leaves
/// less than 3e-14.
double hoeffding_bound(std::size_t n) { return 4.0 / std::sqrt(static_cast<double>(n)); }

TEST_CASE("stochastic rounding goes up as often as the discarded fraction says, also below the normals") {
    constexpr std::size_t count = 1 << 16;
    struct Example {
        FormatId format;
        float value, lower, upper;
    };
    const std::vector<Example> examples{{FormatId::bf16, 1.0F + 0x1p-9F, 1.0F, 1.0F + 0x1p-7F},
                                        {FormatId::fp16, 1.0F + 0x1.8p-11F, 1.0F, 1.0F + 0x1p-10F},
                                        {FormatId::fp16, 0x1.4p-24F, 0x1p-24F, 0x1p-23F},
                                        {FormatId::fp16, 0x1p-27F, 0.0F, 0x1p-24F},
                                        {FormatId::fp16, -0x1p-27F, 0.0F, -0x1p-24F}};
    for (const Example &example : examples) {
        std::vector<float> source(count, example.value), wide(count);
        std::vector<std::uint16_t> stored(count);
        round_array(source.data(), count, example.format, stored.data(), {ArrayRounding::stochastic, false, 42, 1, 2});
        widen_array(stored.data(), count, example.format, wide.data());
        std::size_t up = 0;
        for (const float y : wide) {
            REQUIRE((y == example.lower || y == example.upper));
            up += y == example.upper;
        }
        const double probability =
            static_cast<double>(example.value - example.lower) / static_cast<double>(example.upper - example.lower);
        CHECK(std::fabs(static_cast<double>(up) / count - probability) < hoeffding_bound(count));
    }
}

TEST_CASE("stochastic rounding of a slice draws what the whole tensor would") {
    const auto values = spread(8192, 13, 1.0F, 2);
    RoundArrayOptions options{ArrayRounding::stochastic, false, 5, 6, 7, 0};
    std::vector<std::uint16_t> whole(values.size()), slice(4096);
    round_array(values.data(), values.size(), FormatId::bf16, whole.data(), options);
    for (const std::size_t first : {4096u, 1u, 2u, 1027u}) {
        options.first_element = first;
        round_array(values.data() + first, slice.size(), FormatId::bf16, slice.data(), options);
        CHECK(std::memcmp(slice.data(), whole.data() + first, slice.size() * 2) == 0);
    }
}

} // namespace
} // namespace halfscope::number
