// Causes read beside the twin's values: gradients along the depth, phases, accumulators, means.
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

#include <limits>

using namespace halfscope;
using namespace halfscope::test;
using analysis::Severity;

namespace {

/// Ten layers, the gradient of the i-th from the output of root mean square 2^log2_size(i).
analysis::RecipeAssessment profile_depth(const std::function<double(int)> &log2_size, const std::string &format,
                                         double retained) {
    constexpr int layers = 10;
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe(format + "-amp", format);
        else
            builder.twin();
        const auto layer = [](int i) { return "blocks." + std::to_string(layers - 1 - i); };
        for (int i = 0; i < layers; ++i)
            builder.tensor(layer(i) + ".grad", gradient(layer(i), recipe ? format : "fp32"));
        for (int t = 0; t < 60; ++t) {
            for (int i = 0; i < layers; ++i) {
                builder.put(layer(i) + ".grad", normal_values(200, std::exp2(log2_size(i)),
                                                              std::uint64_t{100} * static_cast<std::uint64_t>(t) +
                                                                  static_cast<std::uint64_t>(i)));
                if (recipe && t % 6 == 0)
                    builder.fidelity(layer(i), i > 6 ? retained : 1, i > 6 ? retained : 1, 1, i > 6 ? retained : 1);
            }
            builder.step(recipe && retained < 0.5 ? learning_curve(t, 2.2) : learning_curve(t));
        }
        builder.end();
    }
    return builder.verdict();
}

/// A phase of N(0, deviation^2) and its sine.
analysis::RecipeAssessment profile_phase(double deviation, const std::string &format, const char *function = "sine") {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe(format + "-amp", format);
        else
            builder.twin();
        builder.tensor("phase", activation("encoding", "matmul", recipe ? format : "fp32"));
        builder.tensor("wave", activation("encoding", function, recipe ? format : "fp32"));
        for (int t = 0; t < 60; ++t) {
            builder.put("phase", normal_values(500, deviation, static_cast<std::uint64_t>(t)));
            builder.put("wave", normal_values(500, 0.7, static_cast<std::uint64_t>(t)));
            builder.step(learning_curve(t));
        }
        builder.end();
    }
    return builder.verdict();
}

/// A result of `operation` that is 1000 in fp32 and `own` in the recipe, behind one that agrees.
analysis::RecipeAssessment profile_sum(const char *operation, float own) {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe("fp16-amp");
        else
            builder.twin();
        const std::string format = recipe ? "fp16" : "fp32";
        builder.tensor("messages", activation("messages", "cast", format));
        builder.tensor("sum", activation("hub", operation, format));
        for (int t = 0; t < 60; ++t) {
            builder.put("messages", std::vector<float>(100, 0.125F));
            builder.put("sum", std::vector<float>(50, recipe ? own : 1000.0F));
            builder.step(recipe && own < 900 ? learning_curve(t, 2.4) : learning_curve(t));
        }
        builder.end();
    }
    return builder.verdict();
}

/// sum(x), then `next` of it, which is `quotient` in fp32 and infinite in fp16.
analysis::RecipeAssessment profile_mean(const char *next, float quotient) {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe("fp16-o2");
        else
            builder.twin();
        const std::string format = recipe ? "fp16" : "fp32";
        builder.tensor("sum", activation("norm", "reduce_sum", format));
        builder.tensor("after", activation("norm", next, format));
        for (int t = 0; t < 60; ++t) {
            builder.put("sum", std::vector<float>(20, 102400.0F));
            builder.put("after", std::vector<float>(20, recipe ? std::numeric_limits<float>::infinity() : quotient));
            builder.step(recipe ? not_a_number : learning_curve(t));
        }
        builder.end();
    }
    return builder.verdict();
}

} // namespace

TEST_CASE("G15: gradients that fall by three binades a layer until fp16 holds none") {
    const auto falling = [](int i) { return -3.0 * i - 3; };
    const auto deep = profile_depth(falling, "fp16", 0.2);
    INFO(told(deep));
    const auto *f = find(deep, "gradient-attenuation");
    REQUIRE(f);
    CHECK(f->severity == Severity::critical);
    CHECK(f->layer == "blocks.0");
    CHECK(contains(f->evidence, "binades a layer, from 2^-3 to 2^-30"));
    CHECK(deep.findings.front().detector == "gradient-attenuation");
    CHECK(find(deep, "gradient-underflow")); // what the depth did is still said
}

TEST_CASE("G15's near-misses: bf16, nothing harmed, a flat depth, one layer's doing") {
    const auto falling = [](int i) { return -3.0 * i - 3; };
    CHECK(!find(profile_depth(falling, "bf16", 1), "gradient-attenuation"));
    CHECK(!find(profile_depth(falling, "fp16", 1), "gradient-attenuation"));
    CHECK(!find(profile_depth([](int) { return -26.0; }, "fp16", 0.2), "gradient-attenuation"));
    CHECK(!find(profile_depth([](int i) { return i < 9 ? -3.0 : -26.0; }, "fp16", 0.2), "gradient-attenuation"));
}

TEST_CASE("phases near 200 are too coarse in bf16 and fine in fp16; only a sine or cosine cares") {
    for (const char *function : {"sine", "cosine"}) {
        const auto coarse = profile_phase(200, "bf16", function);
        INFO(told(coarse));
        const auto *f = find(coarse, "coarse-phase");
        REQUIRE(f);
        CHECK(f->tensor == "phase");
        CHECK(f->severity == Severity::warning); // the curve does not suffer
    }
    CHECK(!find(profile_phase(200, "fp16"), "coarse-phase"));
    CHECK(!find(profile_phase(20, "bf16"), "coarse-phase"));
    CHECK(!find(profile_phase(200, "bf16", "tanh"), "coarse-phase"));
}

TEST_CASE("H02, A16: an accumulator that stops is the matrix unit's in a product, the reduction's in a sum") {
    const auto product = profile_sum("matmul", 256);
    INFO(told(product));
    REQUIRE(find(product, "narrow-accumulation"));
    CHECK(find(product, "narrow-accumulation")->severity == Severity::critical);
    CHECK(!find(product, "sum-saturation"));
    const auto sum = profile_sum("reduce_sum", 256);
    INFO(told(sum));
    CHECK(find(sum, "sum-saturation"));
    CHECK(!find(sum, "narrow-accumulation"));
    // One that is off by a rounding has been added up well.
    CHECK(!find(profile_sum("matmul", 999.5F), "narrow-accumulation"));
}

TEST_CASE("A12: a sum that the next operation scales down is a mean, another one is not") {
    const auto mean = profile_mean("scale", 100);
    INFO(told(mean));
    REQUIRE(find(mean, "mean-overflow"));
    CHECK(find(mean, "mean-overflow")->severity == Severity::critical);
    CHECK(!find(mean, "sum-overflow"));
    CHECK(find(profile_mean("scale", 204800), "sum-overflow"));
    CHECK(find(profile_mean("divide", 1), "sum-overflow")); // by another sum, as Dice does
    CHECK(find(profile_mean("add", 100), "sum-overflow"));
}
