// Standings and sentences of sweeps whose truth is known.
#include "analysis/convergence/convergence.h"

#include "tests/analysis/convergence/sweep_builder.h"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>

using namespace halfscope::analysis;
using testing::falling;
using testing::made_run;
using testing::two_recipes;

namespace {

const std::vector<double> fp32{0.40, 0.43, 0.38, 0.41, 0.42};

std::vector<double> shifted(const std::vector<double> &by) {
    std::vector<double> values;
    for (std::size_t i = 0; i < fp32.size(); ++i) values.push_back(fp32[i] + by[i]);
    return values;
}

RecipeConvergence judged(const std::vector<double> &by, const ConvergenceQuestion &question = {}) {
    return judge_convergence(two_recipes(fp32, shifted(by)), question).recipes.at(1);
}

} // namespace

TEST_CASE("a recipe that differs by less than seeds do is equal") {
    const RecipeConvergence recipe = judged({0.002, -0.001, 0.003, -0.002, 0.001});
    CHECK(recipe.standing == ConvergenceStanding::equal);
    CHECK(recipe.sentence.find("mine equals fp32 within seed noise: held-out loss") == 0);
}

TEST_CASE("the margin is 2.8 standard deviations of fp32's seeds, by hand") {
    const Convergence whole = judge_convergence(two_recipes(fp32, fp32), {});
    // Mean 0.408, squared deviations 64 + 484 + 784 + 4 + 144 = 1480 millionths, over 4.
    CHECK(whole.margin == doctest::Approx(2.8 * std::sqrt(0.00148 / 4)));
    CHECK(whole.recipes.at(0).standing == ConvergenceStanding::reference);
    CHECK(whole.recipes.at(1).standing == ConvergenceStanding::equal);
}

TEST_CASE("a recipe that is worse on every seed by more than a seed's standard deviation is worse") {
    const RecipeConvergence recipe = judged({0.031, 0.025, 0.037, 0.030, 0.032});
    CHECK(recipe.standing == ConvergenceStanding::worse);
    CHECK(recipe.sentence.find("mine is worse by 0.0310 ± 0.0060: held-out loss 0.439 against 0.408 in fp32.") == 0);
}

TEST_CASE("a lopsided interval is told by its ends, so that it does not seem to reach zero") {
    const RecipeConvergence recipe = judged({0.005, 0.110, 0.020, 0.030, 0.035});
    CHECK(recipe.standing == ConvergenceStanding::worse);
    CHECK(recipe.sentence.find("mine is worse by 0.04 (0.005 to 0.11): ") == 0);
}

TEST_CASE("worse and better are told by the sign, and by which way a metric is good") {
    CHECK(judged({-0.1, -0.11, -0.1, -0.12, -0.1}).standing == ConvergenceStanding::better);
    ConvergenceQuestion accuracy;
    accuracy.metric = "accuracy"; // 1 - loss
    CHECK(judged({0.1, 0.11, 0.1, 0.12, 0.1}, accuracy).standing == ConvergenceStanding::worse);
    CHECK(judged({-0.1, -0.11, -0.1, -0.12, -0.1}, accuracy).standing == ConvergenceStanding::better);
}

TEST_CASE("a difference that may be large and may be none is undecided; one that is at most good is no worse") {
    CHECK(judged({0.1, -0.1, 0.12, -0.02, 0.05}).standing == ConvergenceStanding::undecided);
    CHECK(judged({-0.2, 0.001, -0.15, 0.002, -0.1}).standing == ConvergenceStanding::no_worse);
}

TEST_CASE("a margin of the user's decides alone") {
    ConvergenceQuestion question;
    question.margin = 0.05;
    CHECK(judged({0.031, 0.025, 0.037, 0.030, 0.032}, question).standing == ConvergenceStanding::equal);
    question.margin = 0.01;
    CHECK(judged({0.031, 0.025, 0.037, 0.030, 0.032}, question).standing == ConvergenceStanding::worse);
}

TEST_CASE("four seeds state nothing") {
    std::vector<double> four(fp32.begin(), fp32.begin() + 4);
    const auto recipe = judge_convergence(two_recipes(four, {0.9, 0.9, 0.9, 0.9}), {}).recipes.at(1);
    CHECK(recipe.standing == ConvergenceStanding::undecided);
    CHECK(recipe.sentence.find("take --seeds 5 or more") != std::string::npos);
}

TEST_CASE("divergence is told by seed and step, and not where fp32 does the same") {
    auto runs = two_recipes(fp32, fp32);
    auto &bad = runs.at(7); // mine, seed 2
    for (std::size_t step = 50; step < bad.steps.size(); ++step)
        bad.steps[step].loss = std::numeric_limits<double>::quiet_NaN();
    bad.evaluations.back().value = bad.evaluations.at(2).value = std::numeric_limits<double>::quiet_NaN();
    const auto recipe = judge_convergence(runs, {}).recipes.at(1);
    CHECK(recipe.standing == ConvergenceStanding::diverged);
    CHECK(recipe.diverged_seeds == std::vector<std::uint64_t>{2});
    CHECK(recipe.diverged_at == 50);
    CHECK(recipe.sentence == "mine diverges on 1 of 5 seeds where fp32 does not, first at step 50.");

    auto &twin = runs.at(2); // fp32, seed 2
    twin.steps = bad.steps;
    twin.evaluations = bad.evaluations;
    const Convergence both = judge_convergence(runs, {});
    CHECK(both.recipes.at(0).diverged_seeds == std::vector<std::uint64_t>{2});
    CHECK(both.recipes.at(1).diverged_seeds.empty());
    CHECK(both.recipes.at(1).standing == ConvergenceStanding::undecided); // four pairs are left
}

TEST_CASE("curves part where every seed's smoothed loss leaves fp32's") {
    std::vector<halfscope::trace::SweepRun> runs;
    for (std::uint64_t seed = 0; seed < 5; ++seed)
        runs.push_back(made_run(
            "fp32", seed, 160, [seed](std::int64_t s) { return falling(s, seed); }, fp32[seed]));
    for (std::uint64_t seed = 0; seed < 5; ++seed)
        runs.push_back(made_run(
            "mine", seed, 160, [seed](std::int64_t s) { return falling(s, seed) + (s >= 100 ? 0.3 : 0.0); },
            fp32[seed] + 0.1));
    const Convergence whole = judge_convergence(runs, {});
    const auto &recipe = whole.recipes.at(1);
    // The window is 20 steps: the first mean that sees a shifted loss ends at step 100 and begins at 81.
    CHECK(recipe.parts_at >= 81);
    CHECK(recipe.parts_at <= 100);
    CHECK(whole.recipes.at(0).parts_at == -1);
    CHECK(recipe.median_steps_to_target() == -1); // it stays above where fp32 ends
    for (const std::int64_t steps : whole.recipes.at(0).steps_to_target) CHECK(steps > 0);
}

TEST_CASE("where fp32 learns nothing, nothing is called equal") {
    std::vector<halfscope::trace::SweepRun> runs;
    for (const std::string name : {"fp32", "mine"})
        for (std::uint64_t seed = 0; seed < 5; ++seed)
            runs.push_back(made_run(
                name, seed, 80,
                [seed](std::int64_t s) {
                    return 2.3 + 0.05 * std::sin(1.7 * static_cast<double>(s) + static_cast<double>(seed));
                },
                fp32[seed]));
    const auto recipe = judge_convergence(runs, {}).recipes.at(1);
    CHECK(recipe.standing == ConvergenceStanding::undecided);
    CHECK(recipe.sentence.find("fp32's own loss falls visibly on 0 of 5 seeds only") != std::string::npos);
}

TEST_CASE("runs that do not pair are refused") {
    auto runs = two_recipes(fp32, fp32);
    runs.pop_back();
    CHECK_THROWS_AS((void)judge_convergence(runs, {}), std::invalid_argument);
    runs.erase(runs.begin(), runs.begin() + 5);
    CHECK_THROWS_AS((void)judge_convergence(runs, {}), std::invalid_argument);
}
