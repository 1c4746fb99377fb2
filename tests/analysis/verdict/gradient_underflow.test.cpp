// Hazard G01 and its near-misses (N02), trained for real.
#include "tests/analysis/verdict/two_layer_training.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::test;
using analysis::Verdict;

namespace {

struct Result {
    analysis::RecipeAssessment assessment;
    double fp32 = 0, recipe = 0;
};

Result profile(double c, const std::string &format, double scale, std::uint64_t seed = 0) {
    TraceBuilder builder;
    Result result;
    builder.twin(400);
    result.fp32 = train_two_layer(builder, {.c = c, .seed = seed});
    trace::Run &run = builder.recipe(format + "-custom", format, 400);
    run.weight_format = "fp32";
    run.loss_scale_rule = scale == 1 ? "none" : "static:" + std::to_string(static_cast<long>(scale));
    result.recipe = train_two_layer(builder, {.c = c, .format = format, .scale = scale, .seed = seed});
    result.assessment = builder.verdict();
    MESSAGE(c, " ", format, " S=", scale, " seed ", seed, ": ", result.recipe, " against ", result.fp32, "\n",
            told(result.assessment));
    return result;
}

} // namespace

TEST_CASE("G01: without a loss scale, gradients of a loss times 2^-25 vanish in fp16") {
    for (const std::uint64_t seed : {0, 1, 2, 3, 4}) {
        const Result r = profile(std::ldexp(1.0, -25), "fp16", 1, seed);
        CHECK(r.recipe > 2 * r.fp32); // the recipe really does fail
        CHECK(r.assessment.verdict == Verdict::unsafe);
        REQUIRE_FALSE(r.assessment.findings.empty());
        const analysis::Finding &cause = r.assessment.findings.front();
        CHECK(cause.detector == "gradient-underflow");
        CHECK(cause.severity == analysis::Severity::critical);
        CHECK(cause.layer == "fc2"); // where the first gradient vanishes; behind it nothing is left to lose
        CHECK(contains(r.assessment.headline, "`fc2`"));
        CHECK(contains(cause.evidence, "`fc1`"));
        CHECK(contains(cause.remedy, "loss scaling"));
        // The window excludes 1 and holds 1024, the scale that works.
        REQUIRE(r.assessment.scale_window_log2);
        CHECK(r.assessment.scale_window_log2->first > 0);
        CHECK(r.assessment.scale_window_log2->first <= 10);
        CHECK(r.assessment.scale_window_log2->second >= 15);
    }
}

TEST_CASE("G01: a scale of 1024 cures it, and bf16 never had it") {
    for (const std::uint64_t seed : {0, 1, 2, 3, 4}) {
        for (const double scale : {1024.0, 32768.0})
            CHECK(profile(std::ldexp(1.0, -25), "fp16", scale, seed).assessment.verdict == Verdict::safe);
        CHECK(profile(std::ldexp(1.0, -25), "bf16", 1, seed).assessment.verdict == Verdict::safe);
    }
}

TEST_CASE("N02: three quarters of the non-zero gradients lost, and nothing else") {
    for (const std::uint64_t seed : {0, 1, 2, 3, 4}) {
        const Result r = profile(std::ldexp(1.0, -22), "fp16", 8, seed);
        CHECK(r.recipe < 1.1 * r.fp32); // the recipe really does work
        CHECK(r.assessment.verdict == Verdict::safe);
        const analysis::Finding *f = find(r.assessment, "gradient-underflow");
        REQUIRE(f); // it is mentioned
        CHECK(f->severity == analysis::Severity::info);
    }
}

TEST_CASE("the rest of the grid: what costs a little is never called safe and fatal at once") {
    // c = 2^-24, S = 1: twice the loss. Every live hidden gradient is lost and part of the output layer's.
    CHECK(profile(std::ldexp(1.0, -24), "fp16", 1).assessment.verdict >= Verdict::risky);
    // c = 2^-22, S = 1: every hidden gradient lost, the output layer learns on: a frozen layer, hardly a worse loss.
    const Result frozen = profile(std::ldexp(1.0, -22), "fp16", 1);
    CHECK((frozen.assessment.verdict == Verdict::risky || frozen.assessment.verdict == Verdict::unsafe));
    CHECK(contains(frozen.assessment.headline, "fc1"));
}
