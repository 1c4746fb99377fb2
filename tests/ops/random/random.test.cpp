#include "emulation/number/round_array.h"
#include "emulation/ops/random/philox.h"
#include "emulation/ops/random/words.h"
#include "tests/ops/operation_runner.h"

#include <hwy/targets.h>

#include <doctest/doctest.h>

#include <numbers>
#include <numeric>

using namespace halfscope;
using namespace halfscope::test;

namespace {

const ops::random::RandomStream stream{42, 3, 9, ops::random::RandomPurpose::initialisation};

/// Five standard deviations of a mean of n values of the given deviation.
double five_sigma(double deviation, double n) { return 5 * deviation / std::sqrt(n); }

} // namespace

TEST_CASE("words in bulk are the stream's words, at every SIMD level, from any start") {
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
        hwy::SetSupportedTargetsForTest(target);
        for (const std::uint64_t first :
             {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{62}, (std::uint64_t{1} << 34) - 5})
            for (const std::size_t count : {0, 1, 2, 63, 64, 65, 1000}) {
                std::vector<std::uint32_t> words(count), expected;
                ops::random::fill_words(stream, first, words);
                for (std::size_t i = 0; i < count; ++i) expected.push_back(stream.word(first + i));
                CHECK(words == expected);
            }
    }
    hwy::SetSupportedTargetsForTest(0);
}

TEST_CASE("dropout's threshold is uniform >= ratio") {
    for (double ratio : {0.0, 0.1, 0.5, 1.0 / 3, 1 - 0x1p-24, 1.0})
        for (std::int64_t near = -2; near <= 2; ++near) {
            const auto drawn = static_cast<std::int64_t>(ratio * 0x1p24) + near;
            if (drawn < 0 || drawn >= 1 << 24) continue;
            const auto word = static_cast<std::uint32_t>(drawn) << 8;
            CHECK((word >> 8 >= ops::random::keep_threshold(ratio)) ==
                  (static_cast<double>(ops::random::uniform_from(word)) >= ratio));
        }
}

TEST_CASE("uniform values: in range, flat, the same from any start") {
    std::vector<float> values(100'000);
    ops::random::fill_uniform(stream, -1, 3, values);
    std::vector<int> histogram(16);
    for (float value : values) {
        REQUIRE(value >= -1);
        REQUIRE(value < 3);
        ++histogram[static_cast<std::size_t>((static_cast<double>(value) + 1) * 4)];
    }
    const double expected = static_cast<double>(values.size()) / 16;
    for (int count : histogram) CHECK(std::fabs(count - expected) < 5 * std::sqrt(expected));
    std::vector<float> tail(1000);
    ops::random::fill_uniform(stream, -1, 3, tail, 777);
    CHECK(std::equal(tail.begin(), tail.end(), values.begin() + 777));
}

TEST_CASE("normal values: moments, tails, the same from any start, and Box-Muller of the stated words") {
    std::vector<float> values(200'000);
    ops::random::fill_normal(stream, 0.5f, 2, values);
    const auto n = static_cast<double>(values.size());
    double mean = 0, variance = 0, fourth = 0, beyond_two = 0;
    for (float value : values) {
        const double z = (static_cast<double>(value) - 0.5) / 2;
        mean += z / n;
        variance += z * z / n;
        fourth += z * z * z * z / n;
        beyond_two += std::fabs(z) > 2 ? 1 / n : 0;
    }
    CHECK(std::fabs(mean) < five_sigma(1, n));
    CHECK(std::fabs(variance - 1) < five_sigma(std::sqrt(2), n));
    CHECK(std::fabs(fourth - 3) < five_sigma(std::sqrt(96), n)); // var z^4 = 105 - 9
    const double tail = std::erfc(2 / std::sqrt(2));
    CHECK(std::fabs(beyond_two - tail) < five_sigma(std::sqrt(tail * (1 - tail)), n));

    std::vector<float> from_odd(10);
    ops::random::fill_normal(stream, 0.5f, 2, from_odd, 33);
    CHECK(std::equal(from_odd.begin(), from_odd.end(), values.begin() + 33));
    for (std::uint64_t i = 0; i < 1000; ++i) {
        const double u1 = 1 - (stream.word(i / 2 * 2) >> 8) * 0x1p-24, u2 = (stream.word(i / 2 * 2 + 1) >> 8) * 0x1p-24;
        const double angle = 2 * std::numbers::pi * u2;
        const double z = std::sqrt(-2 * std::log(u1)) * (i % 2 ? std::sin(angle) : std::cos(angle));
        // The angle's two roundings turn into an absolute error of the radius times angle * 2u.
        const double bound = steps_error(8) * (std::fabs(2 * z) + 0.5) + 2 * 5.77 * steps_error(2) * angle;
        CHECK(std::fabs(static_cast<double>(values[i]) - (0.5 + 2 * z)) <= bound);
    }
}

TEST_CASE("a permutation holds every number once, and every position is equally likely") {
    const auto order = ops::random::permutation(stream, 1000);
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::int64_t> identity(1000);
    std::iota(identity.begin(), identity.end(), 0);
    CHECK(sorted == identity);
    CHECK(order != identity);
    int counts[4][4] = {};
    const int trials = 8000;
    for (std::uint32_t t = 0; t < trials; ++t) {
        const auto small = ops::random::permutation({7, t, 0, ops::random::RandomPurpose::shuffling}, 4);
        for (std::size_t i = 0; i < 4; ++i) ++counts[i][small[i]];
    }
    for (const auto &row : counts)
        for (int count : row) CHECK(std::fabs(count - trials / 4.0) < 5 * std::sqrt(trials / 4.0 * 3 / 4));
    CHECK(ops::random::permutation(stream, 0).empty());
    CHECK(ops::random::permutation(stream, 1) == std::vector<std::int64_t>{0});
}

TEST_CASE("values drawn in a forward pass are the stated words, rounded once, whatever the threads and the storage") {
    const std::int64_t n = 20'001;
    const HostTensor like = normal_tensor(DType::bf16, {n}, 3);
    const ops::random::RandomStream drawn{1, 2, 3, ops::random::RandomPurpose::sampling};
    for (OpKind kind : {OpKind::random_normal, OpKind::random_uniform}) {
        std::vector<float> expected(static_cast<std::size_t>(n));
        kind == OpKind::random_normal ? ops::random::fill_normal(drawn, 0.5f, 2, expected)
                                      : ops::random::fill_uniform(drawn, 0.5f, 2, expected);
        const Operation draw = operation(kind, ops::Scalars{0.5, 2});
        const auto one = run(draw, {like}, {{DType::fp32, {n}}}, 1, {1, 2, 3});
        CHECK(std::equal(expected.begin(), expected.end(), one.outputs[0].as<float>().begin()));
        CHECK(same(one, run(draw, {like}, {{DType::fp32, {n}}}, 3, {1, 2, 3})));
        CHECK(one.outputs[0].bytes != run(draw, {like}, {{DType::fp32, {n}}}, 1, {1, 3, 3}).outputs[0].bytes);
        const auto narrow = run(draw, {like}, {{DType::fp16, {n}}}, 1, {1, 2, 3});
        for (std::size_t i = 0; i < expected.size(); i += 97)
            CHECK(narrow.outputs[0].as<std::uint16_t>()[i] ==
                  number::round_to_16bit(expected[i], number::FormatId::fp16));
    }
}

TEST_CASE("dropout keeps the stated share, scales it, and its gradient uses the mask") {
    const std::int64_t n = 50'001;
    for (DType dtype : {DType::fp32, DType::fp16, DType::fp64}) {
        const HostTensor x = normal_tensor(dtype, {n}, 1);
        const Operation dropout = operation(OpKind::dropout, ops::Scalars{0.2, 0});
        const std::vector<OutputOf> outputs{{dtype, {n}}, {DType::boolean, {n}}};
        const auto one = run(dropout, {x}, outputs, 1, {1, 2, 3});
        CHECK(same(one, run(dropout, {x}, outputs, 3, {1, 2, 3})));
        CHECK(one.outputs[1].bytes != run(dropout, {x}, outputs, 1, {1, 3, 3}).outputs[1].bytes);
        const DType compute = dtype == DType::fp64 ? DType::fp64 : DType::fp32;
        const double scale = rounded(1 / (1 - 0.2), compute);
        const auto xs = values(x), y = one[0], mask = one[1];
        std::vector<double> expected;
        for (std::size_t i = 0; i < xs.size(); ++i)
            expected.push_back(mask[i] != 0 ? rounded(rounded(xs[i] * scale, compute), dtype) : 0);
        CHECK(y == expected);
        const double kept = std::accumulate(mask.begin(), mask.end(), 0.0) / static_cast<double>(n);
        CHECK(std::fabs(kept - 0.8) < five_sigma(0.4, static_cast<double>(n)));
        const auto back =
            run(operation(OpKind::dropout_gradient, ops::Scalars{0.2, 0}), {x, one.outputs[1]}, {{dtype, {n}}}, 2);
        CHECK(back[0] == expected);
    }
}

TEST_CASE("dropout's ends: ratio 0 is the identity, ratio 1 leaves zeros even of NaN and inf") {
    const HostTensor x = tensor(DType::fp32, {3}, {std::nan(""), 1, -std::numeric_limits<double>::infinity()});
    const std::vector<OutputOf> outputs{{DType::fp32, {3}}, {DType::boolean, {3}}};
    CHECK(run(operation(OpKind::dropout, ops::Scalars{1, 0}), {x}, outputs)[0] == std::vector<double>{0, 0, 0});
    CHECK(run(operation(OpKind::dropout, ops::Scalars{0, 0}), {x}, outputs).outputs[0].bytes == x.bytes);
    CHECK_THROWS_AS(run(operation(OpKind::dropout, ops::Scalars{1.5, 0}), {x}, outputs), std::invalid_argument);
}
