#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

#include <functional>
#include <numeric>

using namespace halfscope;
using namespace halfscope::test;

namespace {

/// Error of a loss of n terms in fp32: each term went through `steps` roundings, the tree and the division follow.
double loss_error(std::int64_t n, double steps, double sum_of_magnitudes) {
    return steps_error(steps + tree_depth(n) + 1) * sum_of_magnitudes;
}

/// Roundings of a term of bce_with_logits: max, z*t, difference, exp, 1 + e, log, sum; exp and log within 2 u each.
constexpr double bce_steps = 9;

ops::Loss reduced(bool mean, bool per_element = false) {
    ops::Loss loss;
    loss.mean = mean;
    loss.per_element = per_element;
    return loss;
}

struct Pairwise {
    OpKind loss, gradient;
    std::function<double(double, double)> term, slope;
};

const std::vector<Pairwise> pairwise{
    {OpKind::mse_loss, OpKind::mse_loss_gradient, [](double p, double t) { return (p - t) * (p - t); },
     [](double p, double t) { return 2 * (p - t); }},
    {OpKind::bce_with_logits, OpKind::bce_with_logits_gradient,
     [](double z, double t) { return std::max(z, 0.0) - z * t + std::log1p(std::exp(-std::fabs(z))); },
     [](double z, double t) { return 1 / (1 + std::exp(-z)) - t; }},
};

} // namespace

TEST_CASE("mse and bce-with-logits: mean, sum, per element, and their gradients") {
    const std::int64_t n = 9'001;
    for (const Pairwise &pair : pairwise)
        for (DType dtype : {DType::fp32, DType::fp16}) {
            const HostTensor p = normal_tensor(dtype, {n}, 1, 3);
            auto given = normal_values(n, 2);
            for (double &value : given) value = 1 / (1 + std::exp(-value));
            const HostTensor t = tensor(dtype, {n}, given), dy = tensor(DType::fp32, {}, {1024}),
                             dys = normal_tensor(dtype, {n}, 3);
            const auto ps = values(p), ts = values(t), slopes = values(dys);
            double sum = 0, magnitudes = 0;
            for (std::size_t i = 0; i < ps.size(); ++i) {
                sum += pair.term(ps[i], ts[i]);
                magnitudes += std::max(ps[i], 0.0) + std::fabs(ps[i] * ts[i]) + 1 + pair.term(ps[i], ts[i]);
            }
            for (const bool mean : {true, false}) {
                const double scale = mean ? 1 / static_cast<double>(n) : 1;
                const auto one = run(operation(pair.loss, reduced(mean)), {p, t}, {{DType::fp32, {}}}, 1);
                CHECK(same(one, run(operation(pair.loss, reduced(mean)), {p, t}, {{DType::fp32, {}}}, 3)));
                CHECK(std::fabs(one[0][0] - sum * scale) <= loss_error(n, bce_steps, magnitudes) * scale);
                const auto back = run(operation(pair.gradient, reduced(mean)), {dy, p, t}, {{dtype, {n}}}, 2)[0];
                double worst = 0;
                for (std::size_t i = 0; i < ps.size(); ++i) {
                    const double expected = pair.slope(ps[i], ts[i]) * 1024 * scale;
                    // p - t cancels, so the error is relative to |p| + |t| or, for the sigmoid, to 1.
                    const double bound = steps_error(bce_steps) * (std::fabs(expected) + 2 * 1024 * scale) +
                                         rounding_error(expected, dtype) * 1.01;
                    keep_worst(worst, std::fabs(back[i] - expected) / bound);
                }
                CHECK(worst <= 1);
            }
            const auto each = run(operation(pair.loss, reduced(false, true)), {p, t}, {{DType::fp32, {n}}}, 2)[0];
            const auto back =
                run(operation(pair.gradient, reduced(false, true)), {dys, p, t}, {{DType::fp32, {n}}}, 2)[0];
            double worst = 0;
            for (std::size_t i = 0; i < ps.size(); ++i) {
                const double size = std::fabs(ps[i]) * (1 + ts[i]) + 1 + pair.term(ps[i], ts[i]);
                keep_worst(worst, std::fabs(each[i] - pair.term(ps[i], ts[i])) / (steps_error(bce_steps) * size));
                const double expected = pair.slope(ps[i], ts[i]) * slopes[i];
                worst =
                    std::max(worst, std::fabs(back[i] - expected) /
                                        (steps_error(bce_steps) * (std::fabs(expected) + 2 * std::fabs(slopes[i]))));
            }
            CHECK(worst <= 1);
        }
}

TEST_CASE("nll picks the targets, counts those not ignored, and its gradient puts -dy / count there") {
    const Shape probabilities{6, 10, 3, 4}, places{6, 3, 4};
    const HostTensor p = normal_tensor(DType::fp16, probabilities, 1);
    std::mt19937_64 engine(2);
    std::vector<double> given(72);
    for (double &target : given) target = static_cast<double>(std::uniform_int_distribution<int>(0, 9)(engine));
    given[3] = given[50] = -100;
    const HostTensor targets = tensor(DType::int64, places, given), dy = tensor(DType::fp32, {}, {8});
    ops::Loss loss;
    loss.ignore_index = -100;
    const auto ps = values(p);
    double sum = 0, magnitudes = 0;
    std::vector<double> terms, slopes(ps.size());
    for (std::size_t i = 0; i < given.size(); ++i) {
        const auto at = static_cast<std::size_t>((static_cast<double>(i / 12) * 10 + given[i]) * 12) + i % 12;
        terms.push_back(given[i] < 0 ? 0 : -ps[at]);
        sum += terms.back();
        magnitudes += std::fabs(terms.back());
        if (given[i] >= 0) slopes[at] = -rounded(8.0 / 70, DType::fp32);
    }
    const auto mean = run(operation(OpKind::nll_loss, loss), {p, targets}, {{DType::fp32, {}}})[0][0];
    CHECK(std::fabs(mean - sum / 70) <= loss_error(72, 0, magnitudes) / 70);
    const auto one = run(operation(OpKind::nll_loss_gradient, loss), {dy, targets}, {{DType::fp32, probabilities}}, 1);
    CHECK(same(one, run(operation(OpKind::nll_loss_gradient, loss), {dy, targets}, {{DType::fp32, probabilities}}, 3)));
    CHECK(one[0] == slopes);

    loss.mean = false;
    const auto total = run(operation(OpKind::nll_loss, loss), {p, targets}, {{DType::fp32, {}}})[0][0];
    CHECK(std::fabs(total - sum) <= loss_error(72, 0, magnitudes));
    loss.per_element = true;
    CHECK(run(operation(OpKind::nll_loss, loss), {p, targets}, {{DType::fp16, places}}, 2)[0] == terms);
    const auto each = normal_tensor(DType::fp32, places, 9);
    const auto back =
        run(operation(OpKind::nll_loss_gradient, loss), {each, targets}, {{DType::fp32, probabilities}})[0];
    CHECK(std::accumulate(back.begin(), back.end(), 0.0) == doctest::Approx([&] {
                                                                double expected = 0;
                                                                for (std::size_t i = 0; i < given.size(); ++i)
                                                                    expected -= given[i] < 0 ? 0 : values(each)[i];
                                                                return expected;
                                                            }())
                                                                .epsilon(unit_roundoff(DType::fp32)));
}

TEST_CASE("nll: no counted target gives NaN, a target that is no class is rejected") {
    const HostTensor p(DType::fp32, {2, 3});
    ops::Loss loss;
    loss.ignore_index = 1;
    CHECK(std::isnan(
        run(operation(OpKind::nll_loss, loss), {p, tensor(DType::int64, {2}, {1, 1})}, {{DType::fp32, {}}})[0][0]));
    CHECK_THROWS_WITH_AS(
        run(operation(OpKind::nll_loss, loss), {p, tensor(DType::int64, {2}, {0, 3})}, {{DType::fp32, {}}}),
        "nll_loss: target 3 of element 1 is not one of the 3 classes (set ignore_index if it means none)",
        std::invalid_argument);
}
