#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::test;

namespace {

struct Adam {
    ops::OptimizerStep step;
    std::vector<double> w, m, v;

    /// The textbook update in double: nothing rounded.
    void update(const std::vector<double> &gradient) {
        const double bias1 = 1 - std::pow(step.beta1, static_cast<double>(step.step));
        const double bias2 = 1 - std::pow(step.beta2, static_cast<double>(step.step));
        for (std::size_t i = 0; i < w.size(); ++i) {
            double g = gradient[i];
            if (step.decoupled_weight_decay)
                w[i] -= step.learning_rate * step.weight_decay * w[i];
            else
                g += step.weight_decay * w[i];
            m[i] = step.beta1 * m[i] + (1 - step.beta1) * g;
            v[i] = step.beta2 * v[i] + (1 - step.beta2) * g * g;
            w[i] -= step.learning_rate * (m[i] / bias1) / (std::sqrt(v[i] / bias2) + step.epsilon);
        }
        ++step.step;
    }
};

/// Relative error one Adam step may add to the update it makes: at most 16 roundings of factors that are all positive
/// but for g - m, whose error is relative to |g| + |m|.
double adam_step_error() { return steps_error(16); }

ops::OptimizerStep adam(double learning_rate, double weight_decay = 0, bool decoupled = false) {
    ops::OptimizerStep step;
    step.learning_rate = learning_rate;
    step.weight_decay = weight_decay;
    step.decoupled_weight_decay = decoupled;
    return step;
}

} // namespace

TEST_CASE("Adam and AdamW follow the textbook update over 50 steps with fp32 states") {
    for (const bool decoupled : {false, true}) {
        CAPTURE(decoupled);
        const std::int64_t n = 10'007; // blocks and a ragged end
        Adam reference{adam(1e-2, 0.1, decoupled), normal_values(n, 1), std::vector<double>(n), std::vector<double>(n)};
        HostTensor w = tensor(DType::fp32, {n}, reference.w), m(DType::fp32, {n}), v(DType::fp32, {n});
        reference.w = values(w);
        for (unsigned t = 0; t < 50; ++t) {
            const HostTensor g = normal_tensor(DType::fp32, {n}, 100 + t, 1e-3, 2e-3);
            const auto outcome = run(operation(OpKind::adam_step, reference.step), {w, g, m, v},
                                     {{DType::fp32, {n}}, {DType::fp32, {n}}, {DType::fp32, {n}}}, 2);
            reference.update(values(g));
            w = outcome.outputs[0];
            m = outcome.outputs[1];
            v = outcome.outputs[2];
        }
        const auto found = values(w);
        double worst = 0;
        for (std::size_t i = 0; i < found.size(); ++i) keep_worst(worst, std::fabs(found[i] - reference.w[i]));
        // Each update is at most a few learning rates; each stored weight adds its own rounding.
        double largest = 0;
        for (double value : reference.w) largest = std::max(largest, std::fabs(value));
        const double per_step = adam_step_error() * 10 * 1e-2 + rounding_error(largest, DType::fp32) * 3;
        CHECK(worst < 50 * per_step);
        CHECK(worst > 0); // fp32 is not fp64
    }
}

TEST_CASE("hazard U08: pure fp16 Adam loses its epsilon, and a zero gradient gives NaN") {
    const HostTensor w = tensor(DType::fp16, {3}, {1, -2, 0.5}), zero(DType::fp16, {3});
    const std::vector<OutputOf> outputs(3, {DType::fp16, {3}});
    const auto pure = run(operation(OpKind::adam_step, adam(1e-3)), {w, zero, zero, zero}, outputs);
    for (double value : pure[0]) CHECK(std::isnan(value));
    CHECK(pure.statistics[0].nans == 3);
    CHECK(pure.statistics[1].nans == 0);

    ops::OptimizerStep large = adam(1e-3); // "nan until eps = 1e-4"
    large.epsilon = 1e-4;
    CHECK(run(operation(OpKind::adam_step, large), {w, zero, zero, zero}, outputs)[0] == values(w));

    // bf16 represents 1e-8; an fp32 master weight with fp16 gradient does, too.
    const HostTensor w_bf16 = tensor(DType::bf16, {3}, {1, -2, 0.5}), zero_bf16(DType::bf16, {3});
    CHECK(run(operation(OpKind::adam_step, adam(1e-3)), {w_bf16, zero_bf16, zero_bf16, zero_bf16},
              {3, OutputOf{DType::bf16, {3}}})[0] == values(w_bf16));
    const HostTensor w_fp32 = tensor(DType::fp32, {3}, {1, -2, 0.5}), state(DType::fp32, {3});
    CHECK(run(operation(OpKind::adam_step, adam(1e-3)), {w_fp32, zero, state, state},
              {3, OutputOf{DType::fp32, {3}}})[0] == values(w_fp32));
}

TEST_CASE("hazard U04: in 16 bits w * (1 - lr * wd) gives w back") {
    for (DType dtype : {DType::bf16, DType::fp16, DType::fp32}) {
        HostTensor w = tensor(dtype, {1}, {1.0});
        const HostTensor zero(dtype, {1});
        ops::OptimizerStep step = adam(1e-3, 0.1, true);
        step.epsilon = 1e-4; // U08 is another matter
        for (int t = 0; t < 100; ++t)
            w = run(operation(OpKind::adam_step, step), {w, zero, zero, zero}, {3, OutputOf{dtype, {1}}}).outputs[0];
        const double expected = dtype == DType::fp32 ? std::pow(1 - 1e-4, 100) : 1.0;
        CHECK(std::fabs(values(w)[0] - expected) <= 100 * 2 * unit_roundoff(DType::fp32));
    }
    // With stochastic rounding of the final step the separate decay multiply is lost all the same.
    Operation stochastic = operation(OpKind::adam_step, adam(1e-3, 0.1, true));
    stochastic.rounding.mode = ops::OutputRounding::Mode::stochastic;
    const HostTensor w = tensor(DType::bf16, {64}, std::vector<double>(64, 1.0)), zero(DType::bf16, {64});
    CHECK(run(stochastic, {w, zero, zero, zero}, {3, OutputOf{DType::bf16, {64}}})[0] == values(w));
}

TEST_CASE("hazard U02: weights at 1, Adam lr 6e-4, 100 steps: bf16 does not move, an fp32 master does") {
    const std::int64_t n = 768;
    for (DType dtype : {DType::bf16, DType::fp32}) {
        HostTensor w = tensor(dtype, {n}, std::vector<double>(n, 1.0)), m(dtype, {n}), v(dtype, {n});
        ops::OptimizerStep step = adam(6e-4);
        for (unsigned t = 0; t < 100; ++t, ++step.step) {
            const auto outcome = run(operation(OpKind::adam_step, step), {w, normal_tensor(dtype, {n}, t), m, v},
                                     {3, OutputOf{dtype, {n}}});
            w = outcome.outputs[0];
            m = outcome.outputs[1];
            v = outcome.outputs[2];
        }
        const auto found = values(w);
        const auto moved = std::count_if(found.begin(), found.end(), [](double value) { return value != 1.0; });
        // The first update is a whole learning rate of either sign; 1 - 6e-4 is nearer to 1 than to the next bf16
        // below.
        CHECK(moved == (dtype == DType::bf16 ? 0 : n));
    }
}

TEST_CASE("pure 16-bit Adam rounds exactly the tensors eager PyTorch would leave") {
    // Step by step in double with one rounding to fp32 (C), then to fp16 where a tensor would lie.
    const auto c = [](double value) { return rounded(value, DType::fp32); };
    const auto h = [&](double value) { return rounded(c(value), DType::fp16); };
    const std::int64_t n = 5000;
    const HostTensor w = normal_tensor(DType::fp16, {n}, 1), g = normal_tensor(DType::fp16, {n}, 2, 0.01),
                     m = normal_tensor(DType::fp16, {n}, 3, 0.01);
    auto squares = normal_values(n, 4, 0.05);
    for (double &value : squares) value *= value;
    const HostTensor v = tensor(DType::fp16, {n}, squares);
    ops::OptimizerStep step = adam(1e-2, 0.1, true);
    step.step = 7;
    step.epsilon = 1e-4;
    const auto found = run(operation(OpKind::adam_step, step), {w, g, m, v}, {3, OutputOf{DType::fp16, {n}}}, 2);
    const double step_size = c(step.learning_rate / (1 - std::pow(0.9, 7))),
                 bias = c(std::sqrt(1 - std::pow(0.999, 7)));
    const double shrink = c(1 - 1e-2 * 0.1), rate1 = c(1 - 0.9), rate2 = c(1 - 0.999), keep2 = c(0.999);
    const auto ws = values(w), gs = values(g), ms = values(m), vs = values(v);
    std::vector<double> new_w, new_m, new_v;
    for (std::size_t i = 0; i < ws.size(); ++i) {
        const auto fma32 = [](double a, double b, double d) {
            return static_cast<double>(std::fma(static_cast<float>(a), static_cast<float>(b), static_cast<float>(d)));
        };
        const double decayed = h(ws[i] * shrink);
        new_m.push_back(h(fma32(rate1, c(gs[i] - ms[i]), ms[i])));
        new_v.push_back(h(fma32(c(rate2 * gs[i]), gs[i], h(keep2 * vs[i]))));
        const double denominator = h(h(h(std::sqrt(new_v[i])) / bias) + c(1e-4));
        new_w.push_back(h(fma32(-step_size, c(new_m[i] / denominator), decayed)));
    }
    CHECK(found[1] == new_m);
    CHECK(found[2] == new_v);
    CHECK(found[0] == new_w);
}

TEST_CASE("an update in place, on any number of threads, leaves the same bits and statistics") {
    const std::int64_t n = 20'000;
    const DType types[][4] = {{DType::fp32, DType::fp16, DType::fp32, DType::fp32},
                              {DType::bf16, DType::bf16, DType::bf16, DType::bf16},
                              {DType::fp32, DType::fp32, DType::bf16, DType::fp16},
                              {DType::bf16, DType::fp32, DType::fp32, DType::fp32}};
    for (const auto &type : types) {
        HostTensor w = normal_tensor(type[0], {n}, 1), m = normal_tensor(type[2], {n}, 3, 0.1),
                   v = tensor(type[3], {n}, std::vector<double>(n, 0.01));
        const HostTensor g = normal_tensor(type[1], {n}, 2);
        Operation step = operation(OpKind::adam_step, adam(1e-3, 0.1));
        step.rounding.mode = ops::OutputRounding::Mode::stochastic;
        const ops::RandomKey key{5, 6, 7};
        const std::vector<OutputOf> outputs{{type[0], {n}}, {type[2], {n}}, {type[3], {n}}};
        const auto apart = run(step, {w, g, m, v}, outputs, 1, key);
        CHECK(same(apart, run(step, {w, g, m, v}, outputs, 3, key)));
        HostTensor gradient = g;
        const ops::TensorView in[] = {w.view(), gradient.view(), m.view(), v.view()};
        const ops::TensorView out[] = {w.view(), m.view(), v.view()};
        ops::make_cpu_backend(2)->run(step, in, out, {}, key);
        CHECK(w.bytes == apart.outputs[0].bytes);
        CHECK(m.bytes == apart.outputs[1].bytes);
        CHECK(v.bytes == apart.outputs[2].bytes);
    }
}

TEST_CASE("stochastic rounding touches the new weight alone") {
    const std::int64_t n = 5000;
    const HostTensor w = normal_tensor(DType::bf16, {n}, 1), g = normal_tensor(DType::bf16, {n}, 2),
                     m = normal_tensor(DType::bf16, {n}, 3), v = tensor(DType::bf16, {n}, std::vector<double>(n, 0.5));
    Operation nearest = operation(OpKind::adam_step, adam(1e-3));
    Operation stochastic = nearest;
    stochastic.rounding.mode = ops::OutputRounding::Mode::stochastic;
    const std::vector<OutputOf> outputs(3, {DType::bf16, {n}});
    const auto a = run(nearest, {w, g, m, v}, outputs), b = run(stochastic, {w, g, m, v}, outputs);
    CHECK(a.outputs[0].bytes != b.outputs[0].bytes);
    CHECK(a.outputs[1].bytes == b.outputs[1].bytes);
    CHECK(a.outputs[2].bytes == b.outputs[2].bytes);
}

TEST_CASE("hyperparameters rounded to the state's type: beta2 = 0.999 is 1 in bf16") {
    ops::OptimizerStep step = adam(1e-3);
    step.round_hyperparameters = true;
    const HostTensor one = tensor(DType::bf16, {1}, {1}), m(DType::bf16, {1}), v = tensor(DType::bf16, {1}, {0.25});
    const auto found = run(operation(OpKind::adam_step, step), {one, one, m, v}, {3, OutputOf{DType::bf16, {1}}});
    CHECK(found[2][0] == 0.25);                                                // v never changes again
    CHECK(found[1][0] == rounded(1 - rounded(0.9, DType::bf16), DType::bf16)); // beta1 = 0.8984375
}

TEST_CASE("operands that do not fit are rejected with the layout") {
    const HostTensor w(DType::fp32, {2}), other(DType::fp32, {3});
    CHECK_THROWS_WITH_AS(run(operation(OpKind::adam_step, adam(1)), {w, w, w}, {3, OutputOf{DType::fp32, {2}}}),
                         "adam_step: takes weight, gradient, m, v[, compensation] and gives all but the gradient, got "
                         "3 inputs and 3 outputs",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(run(operation(OpKind::adam_step, adam(1)), {w, other, w, w}, {3, OutputOf{DType::fp32, {2}}}),
                         "adam_step: operands [2] and [3] differ in shape", std::invalid_argument);
}
