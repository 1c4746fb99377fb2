// Late failures foreseen: gradients that shrink under a scale that does not follow. (Activations: detectors.test.cpp.)
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::test;
using analysis::Verdict;

namespace {

/// One gradient whose size at step t is 2^log2_size(t), the same in the twin.
analysis::RecipeAssessment profile_drift(const std::function<double(int)> &log2_size, double scale = 1,
                                         const std::string &rule = "none", const std::string &format = "fp16") {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe(format + "-custom", format).loss_scale_rule = rule;
        else
            builder.twin();
        builder.tensor("fc.out", activation("fc", "matmul", "fp32"));
        builder.tensor("fc.weight.grad", weight_gradient("fc", recipe ? format : "fp32"));
        for (int t = 0; t < 100; ++t) {
            const double size = std::exp2(log2_size(t)) * (recipe ? scale : 1);
            builder.put("fc.out", {1, 2});
            builder.put("fc.weight.grad", normal_values(400, size, static_cast<std::uint64_t>(t)));
            if (recipe && t % 10 == 0) builder.fidelity("fc", 1, 1);
            builder.step(learning_curve(t), {recipe ? scale : 1, recipe ? scale : 1, false});
        }
        builder.end();
    }
    return builder.verdict();
}

double shrinking(int t) { return -18.8 - t / 30.0; }

} // namespace

TEST_CASE("G02: gradients that halve every 30 steps are foreseen to underflow, at the step where they do") {
    const auto a = profile_drift(shrinking);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::risky);
    const auto *f = find(a, "gradient-underflow-trend");
    REQUIRE(f);
    CHECK(f->layer == "fc");
    // Where a normal gradient of size s loses a tenth of its squared norm below 2^-25: the part of x^2 below z is 0.1
    // at |x| = 0.764 s, so s = 2^-25 / 0.764 = 2^-24.6, which -18.8 - t / 30 reaches at step 174. Binades are whole: a
    // histogram knows the threshold to a binade, 30 steps.
    double likeliest = 0;
    const auto at = f->evidence.find("about step ");
    REQUIRE(at != std::string::npos);
    likeliest = std::stod(f->evidence.substr(at + 11));
    CHECK(likeliest > 174 - 30);
    CHECK(likeliest < 174 + 30);
    CHECK(contains(f->evidence, "95 % interval"));
}

TEST_CASE("G02's near-misses: a scale, a dynamic one, bf16, slow, settled or noisy sizes") {
    CHECK_FALSE(find(profile_drift(shrinking, 1024, "static:1024"), "gradient-underflow-trend"));
    CHECK_FALSE(find(profile_drift(shrinking, 16, "torch"), "gradient-underflow-trend"));
    CHECK_FALSE(find(profile_drift(shrinking, 1, "none", "bf16"), "gradient-underflow-trend"));
    CHECK_FALSE(find(profile_drift([](int t) { return -15 - t / 200.0; }), "gradient-underflow-trend"));
    CHECK_FALSE(find(profile_drift([](int t) { return -20 + 3 * std::exp(-t / 10.0); }), "gradient-underflow-trend"));
    CHECK_FALSE(find(profile_drift([](int t) { return -18 + 2 * std::sin(1.7 * t); }), "gradient-underflow-trend"));
}
