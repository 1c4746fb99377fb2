#include "analysis/compare/outcome.h"

#include "analysis/compare/loss_curve.h"
#include "analysis/compare/twin_soundness.h"
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::test;
using analysis::compare_outcome;
using analysis::Comparison;
using analysis::Standing;

namespace {

std::vector<trace::Step> curve(std::int64_t steps, const std::function<double(std::int64_t)> &loss) {
    std::vector<trace::Step> result;
    for (std::int64_t t = 0; t < steps; ++t) {
        trace::Step s;
        s.step = t;
        s.loss = loss(t);
        result.push_back(s);
    }
    return result;
}

std::vector<trace::Step> twin_curve(std::int64_t steps = 200) {
    return curve(steps, [](std::int64_t t) { return learning_curve(t); });
}

std::vector<double> losses(const std::vector<trace::Step> &steps) {
    std::vector<double> result;
    for (const auto &s : steps) result.push_back(s.loss);
    return result;
}

} // namespace

TEST_CASE("the same curve, and one that differs by rounding, are equal and never part") {
    const auto twin = twin_curve();
    Comparison c = compare_outcome(twin, twin, {});
    CHECK(c.standing == Standing::equal);
    CHECK(c.outcome.parts_at == -1);
    CHECK(c.outcome.difference == 0);
    const auto other = curve(200, [](std::int64_t t) { return learning_curve(t) * (1 + 1e-3 * std::sin(double(t))); });
    c = compare_outcome(other, twin, {});
    CHECK(c.standing == Standing::equal);
    CHECK(c.outcome.parts_at == -1);
}

TEST_CASE("a recipe that is better is equal and says so") {
    const auto better = curve(200, [](std::int64_t t) { return learning_curve(t, 0.3); });
    const Comparison c = compare_outcome(better, twin_curve(), {});
    CHECK(c.standing == Standing::equal);
    CHECK(contains(c.outcome.sentence, "below the fp32 twin"));
}

TEST_CASE("standings by how far behind a recipe ends") {
    const auto twin = twin_curve();
    const auto slow = [](double pace, double floor) {
        return curve(200, [=](std::int64_t t) { return learning_curve(t, floor, pace); });
    };
    CHECK(compare_outcome(slow(25, 0.5), twin, {}).standing == Standing::equal);
    CHECK(compare_outcome(slow(50, 0.5), twin, {}).standing == Standing::worse);       // 0.55 against 0.5
    CHECK(compare_outcome(slow(150, 0.5), twin, {}).standing == Standing::much_worse); // 1.06 against 0.5
    CHECK(compare_outcome(slow(2000, 0.5), twin, {}).standing == Standing::stalled);
    const Comparison flat = compare_outcome(slow(25, 1.0), twin, {});
    CHECK(flat.standing == Standing::much_worse);
    CHECK(flat.outcome.behind > 0.7);
    CHECK(flat.outcome.parts_at >= 0);
    CHECK(flat.outcome.parts_at < 60); // a gap of 0.5 opens at once
}

TEST_CASE("the twin's seeds widen what counts as noise") {
    const auto twin = twin_curve();
    const auto recipe = curve(200, [](std::int64_t t) { return learning_curve(t, 0.58); });
    CHECK(compare_outcome(recipe, twin, {}).standing != Standing::equal);
    const std::vector<std::vector<double>> siblings{
        losses(curve(200, [](std::int64_t t) { return learning_curve(t, 0.55, 25, 0.03, 2); })),
        losses(curve(200, [](std::int64_t t) { return learning_curve(t, 0.44, 25, 0.03, 3); }))};
    const Comparison c = compare_outcome(recipe, twin, siblings);
    CHECK(c.standing == Standing::equal);
    CHECK(c.outcome.noise_source == "3 fp32 seeds");
    CHECK(c.outcome.noise > 0.04);
    // A sibling cut short, or not finite, is not used.
    CHECK(compare_outcome(recipe, twin, {{1, 2}, std::vector<double>(200, not_a_number)}).outcome.noise_source ==
          "step-to-step variation of the twin");
}

TEST_CASE("not finite for good is divergence from its first step on; a single bad step is not") {
    const auto twin = twin_curve();
    const auto dies = curve(200, [](std::int64_t t) { return t < 140 ? learning_curve(t) : not_a_number; });
    Comparison c = compare_outcome(dies, twin, {});
    CHECK(c.standing == Standing::diverged);
    CHECK(c.first_not_finite == 140);
    CHECK(c.outcome.parts_at == 140);
    const auto recovers = curve(200, [](std::int64_t t) { return t == 3 ? infinite : learning_curve(t); });
    CHECK(compare_outcome(recovers, twin, {}).standing == Standing::equal);
    // Shorter than the tail that is asked for: all of it.
    CHECK(compare_outcome(curve(2, [](std::int64_t) { return not_a_number; }), twin, {}).standing ==
          Standing::diverged);
}

TEST_CASE("never blamed for what the twin does too") {
    const auto dies = curve(200, [](std::int64_t t) { return t < 140 ? learning_curve(t) : not_a_number; });
    CHECK(compare_outcome(dies, dies, {}).standing == Standing::unknown);
    const auto rises = curve(200, [](std::int64_t t) { return 0.5 + 0.05 * double(t) + learning_curve(t, 0); });
    CHECK(compare_outcome(rises, rises, {}).standing != Standing::diverged);
}

TEST_CASE("a loss that blows up without NaN") {
    const auto up =
        curve(200, [](std::int64_t t) { return learning_curve(t) + (t > 100 ? 0.1 * double(t - 100) : 0); });
    CHECK(compare_outcome(up, twin_curve(), {}).standing == Standing::diverged);
}

TEST_CASE("steps that a scaler skipped are not held against the recipe") {
    const auto twin = twin_curve(100);
    std::vector<trace::Step> late =
        curve(100, [](std::int64_t t) { return learning_curve(std::max<std::int64_t>(0, t - 15)); });
    Comparison c = compare_outcome(late, twin, {});
    CHECK(c.standing == Standing::worse);
    for (std::size_t t = 0; t < 15; ++t) late[t].skipped = true;
    c = compare_outcome(late, twin, {});
    CHECK(c.standing == Standing::equal);
    CHECK(c.skipped == 15);
    CHECK(c.applied == 85);
}

TEST_CASE("a loss stored in fp16 that cannot show the curve is not read, unless fp32 reads it") {
    const auto scaled = [](double floor, double pace) {
        return curve(200, [=](std::int64_t t) { return std::ldexp(learning_curve(t, floor, pace), -25); });
    };
    const auto twin = scaled(0.2, 25);
    auto recipe = scaled(0.2, 2000); // stalled
    for (auto &s : recipe)
        s.loss = double{number::widen_16bit(number::round_to_16bit(static_cast<float>(s.loss), number::FormatId::fp16),
                                            number::FormatId::fp16)};
    const auto &fp16 = number::format_of(number::FormatId::fp16);
    Comparison c = compare_outcome(recipe, twin, {}, fp16);
    CHECK_FALSE(c.loss_readable);
    CHECK(c.standing == Standing::unknown);
    CHECK(c.blind());
    for (std::size_t t = 0; t < 200; t += 10) recipe[t].loss_in_fp32 = scaled(0.2, 2000)[t].loss;
    c = compare_outcome(recipe, twin, {}, fp16);
    CHECK(c.judged_in_fp32);
    CHECK(c.standing == Standing::stalled);
    for (std::size_t t = 0; t < 200; t += 10) recipe[t].loss_in_fp32 = twin[t].loss;
    CHECK(compare_outcome(recipe, twin, {}, fp16).standing == Standing::equal);
}

TEST_CASE("a twin that learns, is flat, rises, or is not finite") {
    using analysis::judge_twin;
    CHECK(judge_twin(losses(twin_curve())).learns);
    CHECK_FALSE(judge_twin({}).present);
    const auto flat = judge_twin(losses(curve(100, [](std::int64_t t) { return learning_curve(t + 500); })));
    CHECK_FALSE(flat.learns);
    CHECK_FALSE(flat.diverged);
    CHECK(contains(flat.problem, "does not fall visibly"));
    const auto up = judge_twin(losses(curve(100, [](std::int64_t t) { return 1 + 0.1 * double(t); })));
    CHECK(up.diverged);
    const auto dead = judge_twin(losses(curve(100, [](std::int64_t t) { return t == 7 ? infinite : 1.0; })));
    CHECK(dead.diverged);
    CHECK(contains(dead.problem, "step 7"));
}

TEST_CASE("step-to-step deviation is that of the noise, whatever the trend") {
    const auto noise = normal_values(20'000, 0.5, 9);
    std::vector<double> values;
    for (std::size_t i = 0; i < noise.size(); ++i) values.push_back(double{noise[i]} - 0.01 * double(i));
    // Standard error of the estimate over n differences: sigma * sqrt(3 / (4 n)), here 0.003; five of them.
    CHECK(analysis::step_deviation(values) == doctest::Approx(0.5).epsilon(0.03));
    CHECK(analysis::typical_step_deviation(values) == doctest::Approx(0.5).epsilon(0.05));
    CHECK(analysis::step_deviation(std::vector<double>{1.0}) == 0);
}
