// One forward overflow has one name: each kind on its hazard, and the near-miss beside it.
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

#include <limits>

using namespace halfscope;
using namespace halfscope::test;
using analysis::Severity;
using analysis::Verdict;

namespace {

const float not_number = std::numeric_limits<float>::quiet_NaN();

struct Stage {
    std::string operation;
    std::vector<float> in_fp32, before_rounding; ///< the twin's and the recipe's values
};

/// A forward pass of these operations, one after the other, in every step. `dead`: the recipe's loss is NaN throughout.
analysis::RecipeAssessment profile(const std::vector<Stage> &stages, bool dead, bool nan_gradient = false) {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        const std::string format = recipe ? "fp16" : "fp32";
        if (recipe)
            builder.recipe("fp16-o2");
        else
            builder.twin();
        for (std::size_t i = 0; i < stages.size(); ++i)
            builder.tensor("t" + std::to_string(i), activation("block", stages[i].operation, format));
        builder.tensor("t0.grad", gradient("block", format));
        for (int t = 0; t < 60; ++t) {
            for (std::size_t i = 0; i < stages.size(); ++i)
                builder.put("t" + std::to_string(i), recipe ? stages[i].before_rounding : stages[i].in_fp32);
            builder.put("t0.grad", {recipe && nan_gradient ? not_number : 1.0F, 2.0F});
            if (recipe && !dead && t % 5 == 0) builder.fidelity("block", 1, 1);
            builder.step(recipe && dead ? not_a_number : learning_curve(t));
        }
        builder.end();
    }
    return builder.verdict();
}

Stage same(std::string operation, std::vector<float> values) { return {std::move(operation), values, values}; }

/// The overflow is named by `detector` and by no other of the family.
void check_named(const analysis::RecipeAssessment &a, std::string_view detector) {
    INFO(told(a));
    REQUIRE_FALSE(a.findings.empty());
    CHECK(a.findings[0].detector == detector);
    int named = 0;
    for (const auto &f : a.findings)
        for (const std::string_view other :
             {"forward-overflow", "mask-constant", "attention-logits", "exponential-overflow", "cubic-overflow",
              "sum-overflow", "product-overflow", "residual-growth"})
            named += f.detector == other;
    CHECK(named == 1);
}

const Stage normed_to_nan{"rms_norm", {1, 1}, {not_number, not_number}};

} // namespace

TEST_CASE("T04: a row masked throughout is NaN, and the mask's constant is named") {
    const auto a = profile(
        {same("where", {-1e9F, -1e9F, -1e9F}), {"softmax", {0.3F, 0.3F, 0.3F}, {not_number, not_number, not_number}}},
        true);
    check_named(a, "mask-constant");
    CHECK(a.verdict == Verdict::unsafe);
    CHECK(contains(a.findings[0].cause, "masked throughout"));
}

TEST_CASE("N04: a mask with a live token is information, and does not hide an overflow behind it") {
    const std::vector<Stage> masked{same("where", {-1e9F, 2.0F, -1e9F}), same("softmax", {0, 1, 0})};
    const auto a = profile(masked, false);
    CHECK(a.verdict == Verdict::safe);
    const auto *f = find(a, "mask-constant");
    REQUIRE(f);
    CHECK(f->severity == Severity::info);
    CHECK_FALSE(find(a, "forward-overflow"));

    auto stages = masked;
    stages.push_back(same("matmul", {1, 80000}));
    stages.push_back(normed_to_nan);
    const auto b = profile(stages, true);
    INFO(told(b));
    REQUIRE_FALSE(b.findings.empty());
    CHECK(b.findings[0].detector == "forward-overflow");
    CHECK(b.findings[0].tensor == "t2");
}

TEST_CASE("T01: scores that overflow before their softmax") {
    const auto a = profile({same("matmul", {80000, 3}),
                            {"scale", {7000, 0.3F}, {not_number, 0.3F}},
                            {"softmax", {1, 0}, {not_number, not_number}}},
                           true);
    check_named(a, "attention-logits");
    // A product that no softmax reads is an ordinary overflow.
    check_named(profile({same("matmul", {80000, 3}), normed_to_nan}, true), "forward-overflow");
    CHECK(profile({same("matmul", {60000, 3}), same("softmax", {1, 0})}, false).findings.empty());
}

TEST_CASE("A14, A15, A02: exponentials, sums and products") {
    check_named(profile({same("exponential", {162755, 1}), {"divide", {1, 0}, {not_number, 0}}}, true),
                "exponential-overflow");
    check_named(profile({same("reduce_sum", {262144}), {"divide", {1}, {not_number}}}, true), "sum-overflow");
    check_named(profile({same("multiply", {75000, 2}), normed_to_nan}, true), "product-overflow");
    CHECK(profile({same("exponential", {59874.14F, 1})}, false).findings.empty()); // exp(11)
    CHECK(profile({same("reduce_sum", {16384})}, false).findings.empty());         // 128 x 128
    CHECK(profile({same("multiply", {65280, 2})}, false).findings.empty());        // 255 * 256
}

TEST_CASE("A13: the cube in a GELU is information until gradients are NaN") {
    const std::vector<Stage> gelu{same("power_scalar", {68921, 1}), same("tanh", {1, 0.7F})};
    const auto fine = profile(gelu, false);
    CHECK(fine.verdict == Verdict::safe);
    REQUIRE(find(fine, "cubic-overflow"));
    CHECK(find(fine, "cubic-overflow")->severity == Severity::info);
    const auto broken = profile(gelu, true, true);
    check_named(broken, "cubic-overflow");
    CHECK(broken.verdict == Verdict::unsafe);
}

TEST_CASE("A03: additions that climb to the overflow are growth with depth, a lone one is not") {
    check_named(
        profile({same("add", {9000}), same("add", {20000}), same("add", {41000}), same("add", {83000}), normed_to_nan},
                true),
        "residual-growth");
    check_named(profile({same("add", {9000}), same("add", {83000}), normed_to_nan}, true), "forward-overflow");
}

TEST_CASE(
    "a counter alone does not condemn: an overflow beside updates that are fp32's is not blamed for a bad curve") {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe("fp16-o2");
        else
            builder.twin();
        builder.tensor("head.gate", activation("head", "multiply", recipe ? "fp16" : "fp32"));
        for (int t = 0; t < 100; ++t) {
            builder.put("head.gate", {75000, 1});
            if (recipe && t % 5 == 0) builder.fidelity("head", 1, 1);
            builder.step(recipe ? learning_curve(t, 1.5) : learning_curve(t));
        }
        builder.end();
    }
    const auto a = builder.verdict();
    INFO(told(a));
    REQUIRE(find(a, "product-overflow"));
    CHECK(find(a, "product-overflow")->severity == Severity::info);
    CHECK(a.verdict != Verdict::unsafe);
    CHECK(contains(a.confidence, "would raise it"));
}
