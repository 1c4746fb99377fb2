// Hazard U02 (weights in 16 bits without masters) and its near-misses, trained for real; N05 and U03 from their
// figures.
#include "tests/analysis/verdict/least_squares_training.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::test;
using analysis::Verdict;

namespace {

struct Result {
    analysis::RecipeAssessment assessment;
    double fp32 = 0, recipe = 0;
};

Result profile(LeastSquares setup, const std::string &name) {
    TraceBuilder builder;
    Result result;
    LeastSquares twin = setup;
    twin.format = "fp32";
    twin.masters = true;
    builder.twin(setup.steps);
    result.fp32 = train_least_squares(builder, twin);
    trace::Run &run = builder.recipe(name, setup.format, setup.steps);
    run.master_weights = setup.masters;
    result.recipe = train_least_squares(builder, setup);
    result.assessment = builder.verdict();
    MESSAGE(name, " lr ", setup.rate, ": ", result.recipe, " against ", result.fp32, "\n", told(result.assessment));
    return result;
}

/// A run whose loss hardly moves: fine-tuning with tiny steps. Fidelity says `retained`, of which the gradient keeps
/// all.
analysis::RecipeAssessment fine_tuning(double retained, double moved, bool masters, double relative_update) {
    TraceBuilder builder;
    const auto steps = [&](bool recipe) {
        builder.tensor("head.weight", weight("head", recipe ? "bf16" : "fp32"));
        for (int t = 0; t < 100; ++t) {
            if (t % 10 == 0) {
                builder.put("head.weight", normal_values(1000, 1, 7)); // |w|^2 = 1000
                if (recipe)
                    builder.fidelity("head", retained, retained, moved, 1, 1000,
                                     1000 * relative_update * relative_update);
            }
            builder.step(1.2 + learning_curve(t + 1, 0, 1e-9, 0.05));
        }
        builder.end();
    };
    builder.twin();
    steps(false);
    builder.recipe(masters ? "bf16-amp" : "bf16-pure", "bf16").master_weights = masters;
    steps(true);
    return builder.verdict();
}

} // namespace

TEST_CASE("U02: bf16 weights without masters stop at an error floor, and a smaller learning rate is worse") {
    for (const std::uint64_t seed : {0, 1, 2}) {
        double floor = 0;
        for (const double rate : {0.01, 0.001}) {
            const Result r = profile(
                {.format = "bf16", .masters = false, .rate = rate, .steps = rate < 0.005 ? 8000 : 4000, .seed = seed},
                "bf16-pure");
            CHECK(r.recipe > 2 * r.fp32);
            CHECK(r.assessment.verdict == Verdict::unsafe);
            REQUIRE_FALSE(r.assessment.findings.empty());
            CHECK(r.assessment.findings.front().detector == "lost-weight-updates");
            CHECK(r.assessment.findings.front().severity == analysis::Severity::critical);
            CHECK(contains(r.assessment.findings.front().remedy, "master weights"));
            CHECK(contains(r.assessment.headline, "master weights"));
            CHECK(r.recipe > floor); // the signature of the hazard
            floor = r.recipe;
        }
    }
}

TEST_CASE("U02 with fp32 masters is safe, and so is fp16 at a learning rate it can follow") {
    for (const std::uint64_t seed : {0, 1, 2}) {
        for (const double rate : {0.01, 0.001}) {
            const Result r = profile(
                {.format = "bf16", .masters = true, .rate = rate, .steps = rate < 0.005 ? 8000 : 4000, .seed = seed},
                "bf16-amp");
            CHECK(r.assessment.verdict == Verdict::safe);
            CHECK_FALSE(find(r.assessment, "lost-weight-updates"));
        }
    }
}

TEST_CASE("without the loss in fp32 a higher floor with sound updates is a risk, not a failure") {
    const Result r = profile({.format = "bf16", .read_in_fp32 = false}, "bf16-amp");
    CHECK(r.assessment.verdict == Verdict::risky);
}

TEST_CASE("stochastic rounding is not taken for lost updates, though few elements move in a step") {
    const Result r = profile(
        {.format = "bf16", .masters = false, .rate = 0.01, .update = LeastSquares::Update::stochastic}, "bf16-pure-sr");
    CHECK_FALSE(find(r.assessment, "lost-weight-updates"));
}

TEST_CASE("Kahan summation loses no update") {
    const Result r = profile({.format = "bf16", .masters = false, .rate = 0.01, .update = LeastSquares::Update::kahan},
                             "bf16-pure-kahan");
    CHECK_FALSE(find(r.assessment, "lost-weight-updates"));
}

TEST_CASE("N05: 99 % of the bf16 weights stay bit-identical, the masters move: safe") {
    // Fidelity is measured on the masters; the bf16 copies are not seen.
    const auto a = fine_tuning(0.998, 1, true, 1e-5);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::safe);
    CHECK(contains(a.headline, "too small to move the loss"));
}

TEST_CASE("with masters, updates that differ are not put down to the weights' format") {
    const auto a = fine_tuning(0.01, 0.01, true, 1e-5);
    CHECK(a.verdict == Verdict::unsafe);
    CHECK_FALSE(find(a, "lost-weight-updates"));
}

TEST_CASE("U03: fine-tuning without masters, where the loss of a short run shows nothing, is unsafe") {
    const auto a = fine_tuning(0.01, 0.01, false, 1e-5);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    REQUIRE_FALSE(a.findings.empty());
    CHECK(a.findings.front().detector == "lost-weight-updates");
    CHECK(contains(a.headline, "master weights"));
}

TEST_CASE("a twin that takes large steps and learns nothing gives no verdict") {
    const auto a = fine_tuning(0.998, 1, true, 0.05);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::no_verdict);
    CHECK(contains(a.headline, "does not fall"));
}
