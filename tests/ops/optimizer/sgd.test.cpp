#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

#include <limits>

using namespace halfscope;
using namespace halfscope::test;

namespace {

ops::OptimizerStep sgd(double learning_rate, double momentum = 0, double weight_decay = 0, bool nesterov = false,
                       double dampening = 0) {
    ops::OptimizerStep step;
    step.learning_rate = learning_rate;
    step.momentum = momentum;
    step.weight_decay = weight_decay;
    step.nesterov = nesterov;
    step.dampening = dampening;
    return step;
}

} // namespace

TEST_CASE("SGD follows the textbook update over 50 steps with fp32 states") {
    const std::int64_t n = 9001;
    for (const auto &settings :
         {sgd(0.01), sgd(0.01, 0.9, 1e-2), sgd(0.01, 0.9, 1e-2, true), sgd(0.01, 0.5, 0, false, 0.3)}) {
        ops::OptimizerStep step = settings;
        HostTensor w = normal_tensor(DType::fp32, {n}, 1), b(DType::fp32, {n});
        auto reference = values(w);
        std::vector<double> buffer(reference.size()), magnitude(reference.size());
        std::fill(b.bytes.begin(), b.bytes.end(), std::byte{0xFF}); // NaN: the first step must not read it
        for (unsigned t = 0; t < 50; ++t, ++step.step) {
            const HostTensor gradient = normal_tensor(DType::fp32, {n}, 10 + t);
            std::vector<HostTensor> inputs{w, gradient};
            std::vector<OutputOf> outputs{{DType::fp32, {n}}};
            if (step.momentum != 0) {
                inputs.push_back(b);
                outputs.push_back({DType::fp32, {n}});
            }
            const auto outcome = run(operation(OpKind::sgd_step, step), inputs, outputs, 2);
            w = outcome.outputs[0];
            if (step.momentum != 0) b = outcome.outputs[1];
            const auto g = values(gradient);
            for (std::size_t i = 0; i < reference.size(); ++i) {
                double d = g[i] + step.weight_decay * reference[i];
                if (step.momentum != 0) {
                    buffer[i] = t == 0 ? d : step.momentum * buffer[i] + (1 - step.dampening) * d;
                    d = step.nesterov ? d + step.momentum * buffer[i] : buffer[i];
                }
                reference[i] -= step.learning_rate * d;
                magnitude[i] = std::max({magnitude[i], std::fabs(reference[i]), std::fabs(buffer[i])});
            }
        }
        const auto found = values(w);
        // Six roundings a step of values no larger than the largest weight or buffer; momentum keeps a buffer's error
        // alive for 1 / (1 - momentum) steps, each of which moves the weight by a learning rate of it.
        const double kept = 1 + step.learning_rate / (1 - step.momentum) * 2;
        double worst = 0;
        for (std::size_t i = 0; i < found.size(); ++i)
            keep_worst(worst, std::fabs(found[i] - reference[i]) / (50 * steps_error(6) * magnitude[i] * kept));
        CHECK(worst < 1);
        CHECK(worst > 0);
    }
}

TEST_CASE("hazard U01: an update under half a unit in the last place of a fp16 weight is lost; Kahan keeps it") {
    // lr * g = 2^-13 against w = 1, whose neighbours are 2^-10 and 2^-11 away.
    const HostTensor g = tensor(DType::fp16, {1}, {-1.0});
    HostTensor plain = tensor(DType::fp16, {1}, {1.0}), compensated = plain, c(DType::fp16, {1});
    ops::OptimizerStep step = sgd(0x1p-13), with_kahan = step;
    with_kahan.kahan = true;
    for (int t = 0; t < 64; ++t) {
        plain = run(operation(OpKind::sgd_step, step), {plain, g}, {{DType::fp16, {1}}}).outputs[0];
        const auto outcome =
            run(operation(OpKind::sgd_step, with_kahan), {compensated, g, c}, {2, OutputOf{DType::fp16, {1}}});
        compensated = outcome.outputs[0];
        c = outcome.outputs[1];
    }
    CHECK(values(plain)[0] == 1.0);
    CHECK(values(compensated)[0] == 1.0 + 64 * 0x1p-13); // 2^-7: on the grid, so nothing is left to compensate
    CHECK(values(c)[0] == 0.0);
}

TEST_CASE("stochastic rounding keeps a lost update on average") {
    const std::int64_t n = 4096;
    Operation step = operation(OpKind::sgd_step, sgd(0x1p-13));
    step.rounding.mode = ops::OutputRounding::Mode::stochastic;
    const HostTensor w = tensor(DType::fp16, {n}, std::vector<double>(n, 1.0)),
                     g = tensor(DType::fp16, {n}, std::vector<double>(n, -1.0));
    const auto found = run(step, {w, g}, {{DType::fp16, {n}}}, 1, {1, 2, 3})[0];
    const auto up = std::count(found.begin(), found.end(), 1 + 0x1p-10);
    CHECK(up + std::count(found.begin(), found.end(), 1.0) == n);
    CHECK(std::fabs(static_cast<double>(up) - n / 8.0) < 5 * std::sqrt(n / 8.0 * 7 / 8)); // five standard deviations
}

TEST_CASE("pure fp16 SGD rounds weight decay and momentum as eager PyTorch does") {
    const std::int64_t n = 3000;
    const auto c = [](double value) { return rounded(value, DType::fp32); };
    const auto h = [&](double value) { return rounded(value, DType::fp16); };
    const auto fma32 = [](double a, double b, double d) {
        return static_cast<double>(std::fma(static_cast<float>(a), static_cast<float>(b), static_cast<float>(d)));
    };
    for (const bool nesterov : {false, true}) {
        ops::OptimizerStep step = sgd(0.1, 0.9, 1e-3, nesterov, nesterov ? 0 : 0.25);
        step.step = 2;
        const HostTensor w = normal_tensor(DType::fp16, {n}, 1), g = normal_tensor(DType::fp16, {n}, 2),
                         b = normal_tensor(DType::fp16, {n}, 3);
        const auto found = run(operation(OpKind::sgd_step, step), {w, g, b}, {2, OutputOf{DType::fp16, {n}}}, 2);
        const auto ws = values(w), gs = values(g), bs = values(b);
        std::vector<double> new_w, new_b;
        for (std::size_t i = 0; i < ws.size(); ++i) {
            const double decayed = h(fma32(c(1e-3), ws[i], gs[i]));
            new_b.push_back(h(fma32(c(1 - step.dampening), decayed, h(c(c(0.9) * bs[i])))));
            const double d = nesterov ? h(fma32(c(0.9), new_b[i], decayed)) : new_b[i];
            new_w.push_back(h(fma32(-c(0.1), d, ws[i])));
        }
        CHECK(found[1] == new_b);
        CHECK(found[0] == new_w);
    }
}

TEST_CASE("unscale_check multiplies, and finds inf and NaN before the multiply") {
    const std::int64_t n = 9000;
    const double infinity = std::numeric_limits<double>::infinity();
    for (DType dtype : {DType::fp32, DType::fp16, DType::bf16}) {
        HostTensor g = normal_tensor(dtype, {n}, 1, 100);
        const HostTensor scale = tensor(DType::fp32, {1}, {0x1p-8});
        const auto clean =
            run({OpKind::unscale_check, {}, {}}, {g, scale}, {{DType::fp32, {n}}, {DType::fp32, {1}}}, 2);
        CHECK(clean[1][0] == 0);
        auto expected = values(g);
        for (double &value : expected) value *= 0x1p-8;
        CHECK(clean[0] == expected);
        for (double bad : {infinity, -infinity, std::nan("")}) {
            auto with_bad = values(g);
            with_bad.back() = bad;
            const auto found = run({OpKind::unscale_check, {}, {}}, {tensor(dtype, {n}, with_bad), scale},
                                   {{DType::fp32, {n}}, {DType::fp32, {1}}}, 2);
            CHECK(found[1][0] == 1);
        }
        // A product that overflows is not what is looked for.
        const auto overflow = run({OpKind::unscale_check, {}, {}}, {g, tensor(DType::fp32, {1}, {0x1p127})},
                                  {{DType::fp32, {n}}, {DType::fp32, {1}}});
        CHECK(overflow[1][0] == 0);
        CHECK(overflow.statistics[0].infinities > 0);
    }
}

TEST_CASE("unscale_check of several gradients is that of each, with one flag for all") {
    const HostTensor a = normal_tensor(DType::fp16, {5000}, 1, 100), b = normal_tensor(DType::fp32, {3, 7}, 2),
                     none(DType::bf16, ops::Shape{0, 4}), scale = tensor(DType::fp32, {1}, {0x1p-8});
    const ops::Operation unscale{OpKind::unscale_check, {}, {}};
    const OutputOf flag{DType::fp32, {1}};
    const auto all = run(unscale, {a, none, b, scale},
                         {{DType::fp32, {5000}}, {DType::fp32, {0, 4}}, {DType::bf16, {3, 7}}, flag}, 2);
    CHECK(all[0] == run(unscale, {a, scale}, {{DType::fp32, {5000}}, flag})[0]);
    CHECK(all[2] == run(unscale, {b, scale}, {{DType::bf16, {3, 7}}, flag})[0]);
    CHECK(all[3][0] == 0);
    for (const bool first : {true, false}) { // one bad element in either
        auto in_a = values(a), in_b = values(b);
        (first ? in_a : in_b).front() = std::nan("");
        const auto found = run(unscale, {tensor(DType::fp16, {5000}, in_a), tensor(DType::fp32, {3, 7}, in_b), scale},
                               {{DType::fp32, {5000}}, {DType::fp32, {3, 7}}, flag});
        CHECK(found[2][0] == 1);
    }
}
