// Trends: the line against closed forms, and the interval against what it promises, by simulation.
#include "analysis/statistics/trend.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <random>
#include <vector>

using namespace halfscope::analysis;

namespace {

std::optional<Trend> fitted(int steps, const std::function<double(int)> &log2_value) {
    std::vector<std::int64_t> at;
    std::vector<double> values;
    for (int t = 0; t < steps; ++t) {
        at.push_back(t);
        values.push_back(log2_value(t));
    }
    return fit_trend(at, values);
}

} // namespace

TEST_CASE("Student's quantiles are the tables'") {
    CHECK(student_t975(4) == doctest::Approx(2.776).epsilon(0.003));
    CHECK(student_t975(10) == doctest::Approx(2.228).epsilon(0.001));
    CHECK(student_t975(30) == doctest::Approx(2.042).epsilon(0.001));
    CHECK(student_t975(1e6) == doctest::Approx(1.95996).epsilon(1e-5));
}

TEST_CASE("an exact exponential is extrapolated exactly, with no interval to speak of") {
    const auto trend = fitted(100, [](int t) { return 3 + t / 20.0; });
    REQUIRE(trend);
    CHECK(trend->per_step == doctest::Approx(0.05));
    CHECK(trend->at_end == doctest::Approx(3 + 99 / 20.0));
    const auto limit = crossing(*trend, 10, 199);
    REQUIRE(limit);
    CHECK(limit->likeliest == doctest::Approx(140));
    CHECK(limit->earliest == doctest::Approx(140).epsilon(1e-3));
    CHECK(limit->latest == doctest::Approx(140).epsilon(1e-3));
    CHECK_FALSE(crossing(*trend, 14, 199)); // step 220 is beyond the horizon
}

TEST_CASE("a falling series meets a limit below it") {
    const auto trend = fitted(100, [](int t) { return -10 - t / 25.0; });
    REQUIRE(trend);
    CHECK(trend->falls());
    const auto limit = crossing(*trend, -16, 199);
    REQUIRE(limit);
    CHECK(limit->likeliest == doctest::Approx(150));
}

TEST_CASE("one stray step does not tilt the line") {
    std::mt19937_64 random(5);
    std::normal_distribution<double> noise(0, 0.01);
    const auto trend = fitted(100, [&](int t) { return t == 97 ? 40.0 : t / 50.0 + noise(random); });
    REQUIRE(trend);
    CHECK(trend->per_step == doctest::Approx(0.02).epsilon(0.05));
}

TEST_CASE("the interval holds the next values as often as it says, with independent and with dragging noise") {
    // 95 %: over 2000 runs its count is binomial with deviation sqrt(2000 * 0.05 * 0.95) = 9.7; five of them are 2.4 %.
    // The correction for dragging noise (an autoregression of 0.6) rests on an estimated correlation, biased low by
    // about (1 + 4 r) / n = 0.07 of 0.6: it may fall short by a few percent more.
    for (const double drag : {0.0, 0.6}) {
        std::mt19937_64 random(11);
        std::normal_distribution<double> normal(0, 0.2);
        int held = 0;
        constexpr int runs = 2000, ahead = 20;
        for (int run = 0; run < runs; ++run) {
            std::vector<std::int64_t> at;
            std::vector<double> values;
            double noise = 0, future = 0;
            for (int t = 0; t <= 99 + ahead; ++t) {
                noise = drag * noise + normal(random);
                const double y = 1 + 0.03 * t + noise;
                if (t < 100) {
                    at.push_back(t);
                    values.push_back(y);
                } else {
                    future = y;
                }
            }
            const auto trend = fit_trend(at, values);
            REQUIRE(trend);
            held += std::abs(future - trend->value_at(99 + ahead)) <= trend->half_interval(99 + ahead);
        }
        const double share = static_cast<double>(held) / runs;
        MESSAGE("drag ", drag, ": ", share);
        CHECK(share > (drag == 0 ? 0.926 : 0.90));
        CHECK(share < 0.98);
    }
}

TEST_CASE("pure noise, settled and dying growth have no crossing") {
    std::mt19937_64 random(3);
    std::normal_distribution<double> noise(0, 0.3);
    int alarms = 0;
    for (int run = 0; run < 200; ++run) {
        const auto trend = fitted(100, [&](int) { return 15 + noise(random); });
        REQUIRE(trend);
        alarms += trend->rises() && crossing(*trend, 16, 199).has_value();
    }
    CHECK(alarms <= 4); // 2.5 % of slopes pass by chance, and few of them surely reach a limit 3 deviations away
    const auto settled = fitted(100, [](int t) { return std::log2(30000 * (1 - std::exp(-t / 5.0))); });
    CHECK_FALSE(crossing(*settled, 16, 199));
    // Slows down towards 50000, which is below 65504, although its present pace would carry it past.
    const auto dying = fitted(100, [](int t) { return std::log2(50000 * (1 - std::exp(-(t + 1) / 50.0))); });
    REQUIRE(dying);
    CHECK(dying->value_at(199) > 16);
    CHECK_FALSE(crossing(*dying, 16, 199));
}

TEST_CASE("too few steps draw no line") {
    CHECK_FALSE(fitted(14, [](int t) { return 1.0 * t; }));
    CHECK(fitted(15, [](int t) { return 1.0 * t; }));
    CHECK_FALSE(fitted(40, [](int) { return -HUGE_VAL; })); // all zero
}
