#include "analysis/convergence/run_curve.h"

#include "analysis/convergence/band.h"
#include "analysis/convergence/other_run.h"
#include "tests/analysis/convergence/sweep_builder.h"

#include <doctest/doctest.h>

#include <limits>

using namespace halfscope::analysis;
using testing::two_recipes;
namespace trace = halfscope::trace;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::vector<double> rippled(std::size_t count) {
    std::vector<double> losses;
    for (std::size_t i = 0; i < count; ++i) losses.push_back(i % 2 ? 1.1 : 0.9); // deviation 0.1
    return losses;
}

} // namespace

TEST_CASE("spikes: seven deviations above what came before, neighbours as one, and what is not finite") {
    auto losses = rippled(100);
    losses[60] = 1.6; // six deviations
    CHECK(spike_steps(losses).empty());
    losses[60] = losses[61] = 2.0;
    losses[80] = not_a_number;
    CHECK(spike_steps(losses) == std::vector<std::int64_t>{60, 80});
    losses[5] = 50; // too early to tell
    CHECK(spike_steps(rippled(10)).empty());
}

TEST_CASE("a level is reached by the mean, not by one lucky step") {
    std::vector<double> losses{5, 5, 0, 5, 5, 2, 2, 2, 2};
    CHECK(first_at_or_below(losses, 1, 2) == 2);
    CHECK(first_at_or_below(losses, 3, 2) == 7);
    CHECK(first_at_or_below(losses, 3, 1) == -1);
    CHECK(first_at_or_below(losses, 20, 9) == -1);
}

TEST_CASE("divergence: a non-finite end, or an end above the start; a single bad batch is none") {
    auto losses = rippled(100);
    CHECK(diverged_at(losses) == -1);
    losses[50] = not_a_number;
    CHECK(diverged_at(losses) == -1);
    for (std::size_t i = 90; i < 100; ++i) losses[i] = not_a_number;
    CHECK(diverged_at(losses) == 90);
    losses = rippled(100);
    for (std::size_t i = 70; i < 100; ++i) losses[i] = 40;
    CHECK(diverged_at(losses) == 99);
}

TEST_CASE("bands: mean and range over seeds, differences seed by seed") {
    const auto runs = two_recipes({0.4, 0.6}, {0.5, 0.9});
    const std::vector<const trace::SweepRun *> fp32{&runs[0], &runs[1]}, mine{&runs[2], &runs[3]};
    const Band held_out = evaluation_band(mine, "loss");
    CHECK(held_out.steps == std::vector<std::int64_t>{40, 80});
    CHECK(held_out.mean[1] == doctest::Approx(0.7));
    CHECK(held_out.low[1] == 0.5);
    CHECK(held_out.high[1] == 0.9);
    const Band difference = difference_band(mine, fp32, "loss");
    CHECK(difference.low[1] == doctest::Approx(0.1));
    CHECK(difference.high[1] == doctest::Approx(0.3));
    CHECK(training_band(mine, 1).steps.size() == 80);
    CHECK(evaluation_band(mine, "perplexity").steps.empty());
}

TEST_CASE("another program's run is held against every recipe's seeds") {
    const Convergence whole =
        judge_convergence(two_recipes({0.40, 0.43, 0.38, 0.41, 0.42}, {0.50, 0.53, 0.48, 0.51, 0.52}), {});
    trace::Curve curve{"run.csv", "val_loss", trace::Quantity::held_out_loss, {0, 60, 100}, {2.0, 0.6, 0.45}};
    // On the line from (60, 0.6) to (100, 0.45), at our last evaluation, 80.
    OtherRun other = compare_other(curve, whole);
    CHECK(other.last_step == 80);
    CHECK(other.value == doctest::Approx(0.525));
    CHECK(other.within == std::vector<std::string>{"mine"});
    CHECK(other.nearest == "mine");

    // The last eighth of 80 steps is 70 to 79; both recipes have the same training curves here.
    curve = {"run.csv", "loss", trace::Quantity::training_loss, {10, 70, 75, 300}, {9, 0.62, 0.64, 9}};
    other = compare_other(curve, whole);
    CHECK(other.first_step == 70);
    CHECK(other.last_step == 75);
    CHECK(other.value == doctest::Approx(0.63));
    curve.steps = {500, 600, 700, 800};
    CHECK(compare_other(curve, whole).sentence.find("no step in common") != std::string::npos);
}
