// biased-attention-rounding: rounding errors that share a side, told from those that do not and from those that matter.
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

using namespace halfscope;
using namespace halfscope::test;
using analysis::Severity;

namespace {

/// Values just above 16, a number of bf16 with neighbours 0.125 apart: all are rounded down. Or spread over many
/// spacings.
std::vector<float> products(std::uint64_t seed, bool one_sided) {
    std::vector<float> values = normal_values(200, one_sided ? 0.01 : 4, seed);
    for (float &value : values) value = one_sided ? 16 + std::abs(value) : value;
    return values;
}

/// Gradients whose sum is `share` of their magnitudes'.
std::vector<float> gradients(std::uint64_t step, double share) {
    std::vector<float> values(200);
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] =
            (static_cast<double>(i) < 100 * (1 + share) ? 1.0F : -1.0F) * std::ldexp(1.0F, -static_cast<int>(step % 8));
    return values;
}

struct Attention {
    bool one_sided = true;
    double drift = 0, twin_drift = 0;
    bool diverges = false;
    const char *weights = "softmax";
    const char *format = "bf16";
};

analysis::RecipeAssessment profile(const Attention &a) {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        const std::string format = recipe ? a.format : "fp32";
        if (recipe)
            builder.recipe("recipe", format);
        else
            builder.twin();
        builder.tensor("attn.scores", activation("attn.scores", "matmul", format));
        builder.tensor("attn.weights", activation("attn.weights", a.weights, format));
        builder.tensor("attn.context", activation("attn.context", "matmul", format));
        builder.tensor("attn.scores.grad", gradient("attn.scores", format));
        for (int t = 0; t < 60; ++t) {
            const auto seed = static_cast<std::uint64_t>(t);
            builder.put("attn.scores", normal_values(200, 1, seed));
            builder.put("attn.weights", std::vector<float>(200, 0.25F));
            builder.put("attn.context", products(seed, a.one_sided));
            builder.put("attn.scores.grad", gradients(seed, recipe ? a.drift : a.twin_drift));
            builder.step(recipe && a.diverges ? learning_curve(t, 2.4) : learning_curve(t));
        }
        builder.end();
    }
    return builder.verdict();
}

const analysis::Finding *found(const analysis::RecipeAssessment &assessed) {
    return find(assessed, "biased-attention-rounding");
}

} // namespace

TEST_CASE(
    "T05: errors to one side are information, with one-sided score gradients a forecast, with a bad curve the cause") {
    for (const char *weights : {"softmax", "exponential"}) {
        CAPTURE(weights);
        const auto harmless = profile({.weights = weights});
        INFO(told(harmless));
        const auto *f = found(harmless);
        REQUIRE(f);
        CHECK(f->severity == Severity::info);
        CHECK(f->tensor == "attn.context");
        CHECK(contains(f->evidence, "towards zero"));
        CHECK(harmless.verdict == analysis::Verdict::safe);
    }
    const auto drifting = profile({.drift = 0.2});
    INFO(told(drifting));
    REQUIRE(found(drifting));
    CHECK(found(drifting)->severity == Severity::warning);
    CHECK(contains(found(drifting)->evidence, "sum to 20 % of their magnitudes"));
    CHECK(drifting.verdict == analysis::Verdict::risky);

    const auto diverged = profile({.drift = 0.2, .diverges = true});
    INFO(told(diverged));
    REQUIRE(found(diverged));
    CHECK(found(diverged)->severity == Severity::critical);
    CHECK(diverged.verdict == analysis::Verdict::unsafe);
}

TEST_CASE("T05's near-misses: errors to both sides, another operation before, fp32, a twin that sums to the same") {
    CHECK(!found(profile({.one_sided = false, .drift = 0.2})));
    CHECK(!found(profile({.drift = 0.2, .weights = "tanh"})));
    CHECK(!found(profile({.drift = 0.2, .format = "fp32"})));
    const auto own = profile({.drift = 0.2, .twin_drift = 0.2});
    REQUIRE(found(own));
    CHECK(found(own)->severity == Severity::info);
}
