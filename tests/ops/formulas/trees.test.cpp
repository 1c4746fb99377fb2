#include "emulation/ops/formulas/trees.h"
#include "emulation/ops/softmax/rows.h"
#include "emulation/ops/transcendental.h"

#include <hwy/targets.h>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using namespace halfscope::ops;

namespace {

/// tree(x_0 .. x_n-1) as operation.h words it: 32 lanes in index order, halved five times, chunks of 4096 likewise.
template <typename Combine> float tree(std::vector<float> x, bool from_zero, const Combine &combine) {
    std::vector<float> chunks;
    for (std::size_t first = 0; first < x.size(); first += 4096) {
        std::vector<float> lanes(32, from_zero ? 0.0f : x[first]);
        for (std::size_t i = 0; i < 4096 && first + i < x.size(); ++i)
            lanes[i % 32] = combine(lanes[i % 32], x[first + i]);
        for (std::size_t half = 16; half > 0; half /= 2)
            for (std::size_t i = 0; i < half; ++i) lanes[i] = combine(lanes[i], lanes[i + half]);
        chunks.push_back(lanes[0]);
    }
    return chunks.size() == 1 ? chunks[0] : tree(chunks, from_zero, combine);
}

float add(float a, float b) { return a + b; }
float larger(float a, float b) { return std::isnan(a) || a >= b ? a : b; }

bool same(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

std::vector<float> normal(std::size_t count, unsigned seed) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<float> distribution(0.5f, 2);
    std::vector<float> values(count);
    for (float &value : values) value = distribution(engine);
    return values;
}

template <typename Element>
std::vector<float> mapped(const std::vector<float> &x, const std::vector<float> &y, const Element &element) {
    std::vector<float> result;
    for (std::size_t i = 0; i < x.size(); ++i) result.push_back(element(x[i], y[i]));
    return result;
}

void check_all() {
    for (const std::size_t n : {std::size_t{1}, std::size_t{5}, std::size_t{31}, std::size_t{32}, std::size_t{100},
                                std::size_t{256}, std::size_t{4096}, std::size_t{4097}, std::size_t{50'003}}) {
        CAPTURE(n);
        const auto x = normal(n, 1), y = normal(n, 2);
        const auto count = static_cast<std::int64_t>(n);
        const float c = 0.4f;
        CHECK(same(formulas::tree_sum(x.data(), count), tree(x, true, add)));
        CHECK(same(formulas::tree_max(x.data(), count), tree(x, false, larger)));
        CHECK(same(formulas::tree_sum_squares(x.data(), count),
                   tree(mapped(x, y, [](float a, float) { return a * a; }), true, add)));
        CHECK(same(formulas::tree_sum_products(x.data(), y.data(), count),
                   tree(mapped(x, y, [](float a, float b) { return a * b; }), true, add)));
        CHECK(same(formulas::tree_sum_squared_differences(x.data(), c, count),
                   tree(mapped(x, y, [=](float a, float) { return (a - c) * (a - c); }), true, add)));
        if (n <= 4096)
            CHECK(same(formulas::chunk_sum_centred_products(x.data(), c, y.data(), n),
                       tree(mapped(x, y, [=](float a, float b) { return (a - c) * b; }), true, add)));

        auto with_nan = x;
        with_nan[n / 2] = std::numeric_limits<float>::quiet_NaN();
        CHECK(std::isnan(formulas::tree_max(with_nan.data(), count)));

        // Softmax rows are made of the same trees.
        std::vector<float> found(n);
        const float largest = tree(x, false, larger);
        const auto powers = mapped(x, y, [=](float a, float) { return transcendental::exp(a - largest); });
        const float sum = tree(powers, true, add), log_sum = transcendental::log(sum);
        softmax::softmax_row(x.data(), count, found.data());
        CHECK(found == mapped(powers, y, [=](float a, float) { return a / sum; }));
        softmax::log_softmax_row(x.data(), count, found.data());
        CHECK(found == mapped(x, y, [=](float a, float) { return (a - largest) - log_sum; }));
        const float dot = tree(mapped(x, y, [](float a, float b) { return a * b; }), true, add),
                    total = tree(x, true, add);
        softmax::softmax_gradient_row(x.data(), y.data(), count, found.data());
        CHECK(found == mapped(x, y, [=](float dy, float p) { return p * (dy - dot); }));
        softmax::log_softmax_gradient_row(x.data(), y.data(), count, found.data());
        CHECK(found == mapped(x, y, [=](float dy, float p) { return dy - transcendental::exp(p) * total; }));
    }
}

} // namespace

TEST_CASE("trees and softmax rows have the bits of the definition's words at every SIMD level") {
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
        CAPTURE(hwy::TargetName(target));
        hwy::SetSupportedTargetsForTest(target);
        check_all();
    }
    hwy::SetSupportedTargetsForTest(0);
}
