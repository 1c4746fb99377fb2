// When there is nothing to judge by, and runs that were cut short.
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::test;
using analysis::Verdict;

namespace {

void run(TraceBuilder &builder, std::int64_t steps, const std::function<double(std::int64_t)> &loss, bool end = true) {
    for (std::int64_t t = 0; t < steps; ++t) builder.step(loss(t));
    if (end)
        builder.end();
    else
        builder.cut_short();
}

analysis::RecipeAssessment profile(std::int64_t twin_steps, std::int64_t recipe_steps,
                                   const std::function<double(std::int64_t)> &twin,
                                   const std::function<double(std::int64_t)> &recipe, bool complete = true,
                                   std::int64_t planned = 100) {
    TraceBuilder builder;
    builder.twin(planned);
    run(builder, twin_steps, twin);
    builder.recipe("bf16-amp", "bf16", planned);
    run(builder, recipe_steps, recipe, complete);
    return builder.verdict();
}

double learns(std::int64_t t) { return learning_curve(t); }

} // namespace

TEST_CASE("an ordinary run is safe with a good sentence and no findings") {
    const auto a = profile(100, 100, learns, learns);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::safe);
    CHECK(contains(a.headline, "trains like the fp32 twin"));
    CHECK(a.findings.empty());
    CHECK(a.complete);
}

TEST_CASE("too few steps, none at all, and no twin") {
    const auto few = profile(6, 6, learns, learns, true, 6);
    CHECK(few.verdict == Verdict::no_verdict);
    CHECK(contains(few.headline, "Too few steps"));
    TraceBuilder alone;
    alone.recipe("fp16-amp");
    run(alone, 100, learns);
    const auto assessment = alone.assess();
    CHECK(assessment.recipes[0].verdict == Verdict::no_verdict);
    CHECK(contains(assessment.recipes[0].headline, "no fp32 twin"));
    CHECK_FALSE(assessment.reference.sound);
    TraceBuilder nothing;
    CHECK(nothing.assess().recipes.empty());
}

TEST_CASE("a twin that diverges itself: nothing is blamed on precision") {
    const auto dies = [](std::int64_t t) { return t < 50 ? learning_curve(t) : not_a_number; };
    const auto a = profile(100, 100, dies, dies);
    CHECK(a.verdict == Verdict::no_verdict);
    CHECK(contains(a.headline, "fp32 twin itself diverges"));
    // Also when the recipe goes first.
    const auto sooner = [](std::int64_t t) { return t < 30 ? learning_curve(t) : not_a_number; };
    CHECK(profile(100, 100, dies, sooner).verdict == Verdict::no_verdict);
}

TEST_CASE("a run cut short is judged by what it has") {
    const auto dies = [](std::int64_t t) { return t < 8 ? learning_curve(t) : not_a_number; };
    CHECK(profile(100, 15, learns, dies, false).verdict == Verdict::unsafe); // its finished part shows it
    const auto early = profile(100, 30, learns, learns, false);
    CHECK(early.verdict == Verdict::no_verdict);
    CHECK(contains(early.headline, "cut short after 30 of 100 steps"));
    const auto late = profile(100, 80, learns, learns, false);
    CHECK(late.verdict == Verdict::safe);
    CHECK(contains(late.confidence, "cut short"));
    CHECK_FALSE(late.complete);
    CHECK(profile(100, 0, learns, learns, false).verdict == Verdict::no_verdict);
}

TEST_CASE("a twin cut short: the recipe is judged over the steps both have") {
    TraceBuilder builder;
    builder.twin(100);
    run(builder, 40, learns, false);
    builder.recipe("bf16-amp", "bf16", 100);
    run(builder, 100, learns);
    CHECK(builder.verdict().verdict == Verdict::safe);
}

TEST_CASE("a bad outcome that no detector explains says so") {
    const auto a = profile(100, 100, learns, [](std::int64_t t) { return learning_curve(t, 1.5); });
    CHECK(a.verdict == Verdict::unsafe);
    CHECK(contains(a.headline, "none of the detectors"));
    CHECK_FALSE(contains(a.confidence, "high"));
}

TEST_CASE("a bad outcome with fp32's own updates and no cause is luck as likely as precision") {
    const auto with_fidelity = [](double retained) {
        TraceBuilder builder;
        builder.twin(100);
        run(builder, 100, learns);
        builder.recipe("fp16-amp", "fp16", 100);
        for (std::int64_t t = 0; t < 100; ++t) {
            if (t % 6 == 0) builder.fidelity("conv", retained, retained);
            builder.step(learning_curve(t, 1.5));
        }
        builder.end();
        return builder.verdict();
    };
    const auto lucky = with_fidelity(0.999);
    CHECK(lucky.verdict == Verdict::no_verdict);
    CHECK(contains(lucky.headline, "--seeds"));
    CHECK(with_fidelity(0.3).verdict == Verdict::unsafe);
}
