// What-if figures from histograms against the real rounder on the same values, format by format and scale by scale.
#include "analysis/statistics/what_if.h"
#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/loss_scale_window.h"
#include "analysis/statistics/wording.h"
#include "emulation/number/round_array.h"
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

#include <bit>
#include <optional>
#include <utility>

using namespace halfscope;
using namespace halfscope::test;
using analysis::what_if;
using number::FormatId;

namespace {

/// Values over `binades` binades around 2^centre, signs mixed.
std::vector<float> spread(std::size_t n, int centre, int binades, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> mantissa(1, 2);
    std::uniform_int_distribution<int> exponent(centre - binades / 2, centre + binades / 2);
    std::vector<float> values(n);
    for (float &v : values)
        v = static_cast<float>((random() % 2 ? 1 : -1) * std::ldexp(mantissa(random), exponent(random)));
    return values;
}

/// Values of [2^binade, 2^(binade + 1)); none beyond fp32's own range.
std::uint64_t count_in_binade(const analysis::Exponents &exponents, int binade) {
    const int bin = binade + 127;
    return bin >= 0 && bin < 255 ? exponents[static_cast<std::size_t>(bin)] : 0;
}

number::RangeStatistics rounded_statistics(const std::vector<float> &values, FormatId format, int k) {
    std::vector<float> scaled;
    for (const float v : values) scaled.push_back(std::ldexp(v, k));
    number::RangeStatistics statistics;
    number::round_array(scaled.data(), scaled.size(), format, nullptr, {}, &statistics);
    return statistics;
}

} // namespace

TEST_CASE("limits of the formats") {
    const auto &fp16 = number::format_of(FormatId::fp16);
    const auto &bf16 = number::format_of(FormatId::bf16);
    CHECK(analysis::largest_finite(fp16) == 65504);
    CHECK(analysis::overflow_threshold(fp16) == 65520);
    CHECK(analysis::smallest_log2(fp16) == -24);
    CHECK(analysis::underflow_threshold_log2(fp16) == -25);
    CHECK(analysis::largest_finite(bf16) == double{std::bit_cast<float>(0x7f7f0000U)});
    CHECK(analysis::underflow_threshold_log2(bf16) == -134);
    CHECK(analysis::largest_finite(number::format_of(FormatId::fp8_e4m3)) == 448);
    CHECK(analysis::largest_finite(number::format_of(FormatId::fp8_e5m2)) == 57344);
    CHECK(analysis::format_named("bf16").id == FormatId::bf16);
    CHECK(analysis::format_named("no such format").id == FormatId::fp32);
}

TEST_CASE("what a scale would do is what the rounder does") {
    for (const FormatId id : {FormatId::fp16, FormatId::bf16}) {
        const number::Format &format = number::format_of(id);
        const int centre = id == FormatId::fp16 ? -5 : -60;
        const std::vector<float> values = spread(20'000, centre, 50, 3);
        const number::RangeStatistics source = rounded_statistics(values, FormatId::fp32, 0);
        for (int k = -40; k <= 40; k += 1) {
            const number::RangeStatistics truth = rounded_statistics(values, id, k);
            const analysis::WhatIf guess = what_if(source.exponents, double{source.amax}, format, k);
            CHECK(guess.values == values.size());
            CHECK(guess.underflows == truth.underflows); // no value sits on the threshold itself
            // The topmost binade's sliver: within what the top binade holds.
            const std::uint64_t top = count_in_binade(source.exponents, format.emax - k);
            CHECK(guess.overflows <= truth.overflows);
            CHECK(truth.overflows <= guess.overflows + top);
            CHECK((guess.overflows > 0) == (truth.overflows > 0)); // amax decides, exactly
            // Values that round up to the smallest normal leave the subnormals: a sliver of one binade.
            CHECK(guess.subnormals >= truth.subnormals);
            CHECK(guess.subnormals - truth.subnormals <= count_in_binade(source.exponents, format.emin - 1 - k));
        }
    }
}

TEST_CASE("the boundary binade: 2^-25 itself underflows in fp16 and is counted as surviving") {
    analysis::Exponents one{};
    one[127 - 25] = 1;
    CHECK(what_if(one, std::ldexp(1.0, -25), number::format_of(FormatId::fp16), 0).underflows == 0);
    one = {};
    one[127 - 26] = 1;
    CHECK(what_if(one, std::ldexp(1.0, -26), number::format_of(FormatId::fp16), 0).underflows == 1);
}

TEST_CASE("shifting moves counts and keeps them all") {
    const auto source = rounded_statistics(spread(1000, 0, 200, 1), FormatId::fp32, 0).exponents;
    for (const int k : {-300, -100, -1, 0, 5, 250}) {
        analysis::Exponents shifted{};
        analysis::add_shifted(shifted, source, k);
        CHECK(analysis::total(shifted) == analysis::total(source));
        if (k == 5) CHECK(shifted[132] == source[127]);
    }
}

TEST_CASE("a window of scales: at its ends the rounder agrees, beyond them it does not") {
    for (const FormatId id : {FormatId::fp16, FormatId::bf16}) {
        const auto &format = number::format_of(id);
        const std::vector<float> values = normal_values(20'000, 1e-7, 5);
        const number::RangeStatistics source = rounded_statistics(values, FormatId::fp32, 0);
        const auto window = analysis::scale_window(source.exponents, {}, double{source.amax}, format);
        REQUIRE(window);
        const auto lost_squares = [&](int k) {
            double lost = 0;
            for (const float v : values)
                if (number::round_to_16bit(std::ldexp(v, k), id) << 1 == 0 || // a zero of either sign
                    (number::round_to_16bit(std::ldexp(v, k), id) & 0x7fff) == 0)
                    lost += double{v} * double{v};
            return lost / source.sum_squares;
        };
        CHECK(lost_squares(window->first) <= 2.4 * analysis::allowed_lost_squares); // 7/3: spread within a binade
        if (window->first > analysis::lowest_scale_log2)
            CHECK(lost_squares(window->first - 2) > analysis::allowed_lost_squares);
        CHECK(rounded_statistics(values, id, window->second).overflows == 0);
        if (id == FormatId::fp16) CHECK(rounded_statistics(values, id, window->second + 1).overflows > 0);
    }
}

TEST_CASE("no scale fits: two layers further apart than the format") {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        const std::string format = recipe ? "fp16" : "fp32";
        if (recipe)
            builder.recipe("fp16-amp").loss_scale_rule = "static:1";
        else
            builder.twin();
        builder.tensor("head.out", activation("head", "matmul", format));
        builder.tensor("stem.out", activation("stem", "matmul", format));
        builder.tensor("head.out:grad", gradient("head", format));
        builder.tensor("stem.out:grad", gradient("stem", format));
        for (int t = 0; t < 60; ++t) {
            builder.put("head.out", normal_values(100, 1, 1));
            builder.put("stem.out", normal_values(100, 1, 1));
            builder.put("head.out:grad", normal_values(1000, 1e4, 2));
            builder.put("stem.out:grad", normal_values(1000, 1e-10, 3));
            builder.step(learning_curve(t));
        }
        builder.end();
    }
    const auto a = builder.verdict();
    MESSAGE(told(a));
    CHECK_FALSE(a.scale_window_log2);
    CHECK(contains(a.scale_window_sentence, "No loss scale fits"));
    CHECK(contains(a.scale_window_sentence, "`stem`"));
    CHECK(contains(a.scale_window_sentence, "`head`"));
    CHECK(contains(a.scale_window_sentence, "binades apart"));
    for (const auto &layer : a.layers) CHECK(layer.scale_window_log2); // each on its own has one
    // The loss does not suffer: counters alone make no verdict.
    CHECK(a.verdict == analysis::Verdict::safe);
}

TEST_CASE("without a twin's tensor the recipe's own gradients count, with the scale of each step divided out") {
    std::optional<std::pair<int, int>> unscaled;
    for (const bool scaled : {false, true}) {
        TraceBuilder builder;
        builder.recipe("bf16-amp", "bf16").loss_scale_rule = "torch";
        builder.tensor("fc.out:grad", gradient("fc", "bf16"));
        for (int t = 0; t < 20; ++t) {
            const double scale = scaled ? std::ldexp(1.0, t) : 1;
            builder.put("fc.out:grad", normal_values(1000, 1e-3 * scale, 4));
            builder.step(learning_curve(t), {scale, 2 * scale, false});
        }
        builder.end();
        const auto a = builder.verdict();
        REQUIRE(a.scale_window_log2);
        if (scaled)
            CHECK(a.scale_window_log2 == unscaled);
        else
            unscaled = a.scale_window_log2;
    }
}

TEST_CASE("shares: zeros of the source are not underflow, and both denominators are given") {
    TraceBuilder builder;
    builder.twin();
    builder.tensor("t", gradient("l", "fp32"));
    for (int t = 0; t < 20; ++t) {
        builder.put("t", {0, 0, 0, 0, 1e-9F, 1e-9F, 1, 2});
        builder.step(learning_curve(t));
    }
    builder.end();
    builder.recipe("fp16-amp");
    builder.tensor("t", gradient("l", "fp16"));
    for (int t = 0; t < 20; ++t) {
        builder.put("t", {0, 0, 0, 0, 1e-9F, 1e-9F, 1, 2});
        builder.step(learning_curve(t));
    }
    builder.end();
    const auto a = builder.verdict();
    REQUIRE(a.layers.size() == 1);
    REQUIRE(a.layers[0].tensors.size() == 1);
    const analysis::TensorSummary &t = a.layers[0].tensors[0];
    CHECK(t.underflow_share == doctest::Approx(0.5));
    CHECK(t.underflow_share_of_all == doctest::Approx(0.25));
    REQUIRE(t.lost_share);
    CHECK(*t.lost_share == doctest::Approx(0.5));
    CHECK(t.total.count == 160);
    CHECK(t.steps.size() == 20);
    CHECK(t.dynamic_range == doctest::Approx(std::log2(2 / 1e-9)));
    CHECK(t.headroom_log2 == doctest::Approx(std::log2(65504.0 / 2)));
    CHECK(a.layers[0].has_gradients);
}

TEST_CASE("figures in words") {
    using namespace analysis;
    CHECK(percent(0.384) == "38 %");
    CHECK(percent(0) == "0 %");
    CHECK(percent(0.00001) == "under 0.01 %");
    CHECK(percent(0.9996) == "99.9 %"); // not 100: something is lost
    CHECK(percent(1) == "100 %");
    CHECK(percent(1.28) == "128 %");
    CHECK(power_of_two(10) == "2^10 (1024)");
    CHECK(power_of_two(0) == "1");
    CHECK(power_of_two(-3) == "2^-3");
    CHECK(name_list({"a"}) == "`a`");
    CHECK(name_list({"a", "b"}) == "`a` and `b`");
    CHECK(name_list({"a", "b", "c"}) == "`a`, `b` and 1 more layer");
    CHECK(name_list({"a", "b", "c", "d"}) == "`a`, `b` and 2 more layers");
    CHECK(counted(1, "step") == "1 step");
}
