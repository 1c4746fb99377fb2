// The exact paired interval and test, against enumerations by hand and against the coverage that theory promises.
#include "analysis/convergence/paired_interval.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

using halfscope::analysis::paired_interval;
using halfscope::analysis::PairedInterval;

namespace {

/// Share of sign choices at least as extreme, by recursion; exact for small integers.
double p_by_recursion(const std::vector<double> &values) {
    double observed = 0;
    for (const double value : values) observed += value;
    int extreme = 0, all = 0;
    const auto choose = [&](const auto &self, std::size_t at, double sum) -> void {
        if (at == values.size()) {
            ++all;
            extreme += std::abs(sum) >= std::abs(observed);
            return;
        }
        self(self, at + 1, sum + values[at]);
        self(self, at + 1, sum - values[at]);
    };
    choose(choose, 0, 0);
    return static_cast<double>(extreme) / all;
}

} // namespace

TEST_CASE("five pairs of one sign: the smallest p there is, and the range as interval") {
    const PairedInterval interval = paired_interval(std::vector<double>{3, 1, 2, 5, 4});
    CHECK(interval.mean == 3);
    CHECK(interval.low == 1);
    CHECK(interval.high == 5);
    CHECK(interval.coverage == 1 - 2.0 / 32);
    CHECK(interval.p == 2.0 / 32);
    CHECK(interval.half_width() == 2);
}

TEST_CASE("Darwin's maize, as Fisher tested it: 1726 of 32768 sign choices") {
    // Fisher, The Design of Experiments, section 21: differences of 15 pairs in eighths of an inch, sum 314; 863 of
    // 2^15 choices have a sum as great or greater.
    const std::vector<double> eighths{49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48};
    const PairedInterval interval = paired_interval(eighths);
    CHECK(interval.mean * 15 == doctest::Approx(314));
    CHECK(interval.p == 1726.0 / 32768);
    CHECK(interval.coverage >= 0.95);
    // 0 is on the edge of a 94.7 % interval, hence inside this one.
    CHECK(interval.low <= 0);
    CHECK(interval.high > 0);
}

TEST_CASE("p agrees with a recursion over signs") {
    std::mt19937_64 engine(7);
    for (int round = 0; round < 60; ++round) {
        std::vector<double> values;
        for (std::size_t i = 0; i < 2 + engine() % 8; ++i) values.push_back(static_cast<double>(engine() % 41) - 20);
        CAPTURE(round);
        CHECK(paired_interval(values).p == p_by_recursion(values));
    }
}

TEST_CASE("six pairs: the interval that leaves one piece out on either side; eight: five pieces") {
    const std::vector<double> six{0, 1, 2, 4, 8, 16};
    const PairedInterval interval = paired_interval(six);
    CHECK(interval.coverage == 1 - 2.0 / 64);
    CHECK(interval.low == 0);
    CHECK(interval.high == 16);
    // Eight: floor(0.05 * 256 / 2) = 6 pieces; subset means in order from below: 0, (0+1)/2, (0+2)/2 and (0+1+2)/3
    // and 1 ... the sixth smallest is counted by hand below.
    const std::vector<double> eight{0, 1, 2, 4, 8, 16, 32, 64};
    const PairedInterval wide = paired_interval(eight);
    CHECK(wide.coverage == 1 - 12.0 / 256);
    // {0} 0, {0,1} 1/2, {1} 1, {0,2} 1, {0,1,2} 1, {1,2} 3/2
    CHECK(wide.low == 1.5);
    // {64}, {32,64} 48, {16,64} 40, {16,32,64} 37.33, {8,64} 36, {8,32,64} 34.67
    CHECK(wide.high == doctest::Approx(104.0 / 3));
}

TEST_CASE("the interval is where the test does not reject") {
    // Shifting the data by a centre inside the interval must leave p above what the interval leaves out; outside, not.
    const std::vector<double> values{0.3, -0.1, 0.9, 1.7, 0.4, 0.8, 2.5};
    const PairedInterval interval = paired_interval(values);
    const auto p_about = [&](double centre) {
        std::vector<double> shifted;
        for (const double value : values) shifted.push_back(value - centre);
        return paired_interval(shifted).p;
    };
    const double left_out = 1 - interval.coverage, inside = 1e-6;
    CHECK(p_about(interval.low + inside) > left_out);
    CHECK(p_about(interval.high - inside) > left_out);
    CHECK(p_about(interval.low - inside) <= left_out);
    CHECK(p_about(interval.high + inside) <= left_out);
}

TEST_CASE("coverage is what is promised, for symmetric differences far from normal") {
    // Heavy tails: a uniform variable to the power -1 (no variance), random sign, centre 3, five pairs.
    std::mt19937_64 engine(20261123);
    constexpr int rounds = 20000;
    int covered = 0;
    for (int round = 0; round < rounds; ++round) {
        std::vector<double> values;
        for (int i = 0; i < 5; ++i) {
            const double uniform = (static_cast<double>(engine() >> 11) + 1) * 0x1p-53;
            values.push_back(3 + (engine() & 1 ? 1 : -1) / uniform);
        }
        const PairedInterval interval = paired_interval(values);
        covered += interval.low <= 3 && 3 <= interval.high;
    }
    // Four standard deviations of a binomial share.
    const double promised = 1 - 2.0 / 32, four_deviations = 4 * std::sqrt(promised * (1 - promised) / rounds);
    CHECK(std::abs(static_cast<double>(covered) / rounds - promised) < four_deviations);
}

TEST_CASE("no or one pair says nothing; equal pairs are a point") {
    CHECK(paired_interval({}).coverage == 0);
    CHECK(paired_interval(std::vector<double>{2}).coverage == 0);
    const PairedInterval same = paired_interval(std::vector<double>(5, 0.25));
    CHECK(same.low == 0.25);
    CHECK(same.high == 0.25);
    CHECK(paired_interval(std::vector<double>(5, 0.0)).p == 1);
    CHECK_THROWS_AS((void)paired_interval(std::vector<double>(21, 1.0)), std::invalid_argument);
}
