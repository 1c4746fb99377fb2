// Networks over sequences that no recorded mechanism stands behind: a recurrent cell, a linear state space, a decoder.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::hazards {
namespace {

/// A GRU unrolled over ten steps; the target is the sum of the two marked values (the adding problem).
Case recurrent() {
    Case made = new_case("gru-unrolled", "a gated recurrent cell unrolled over ten steps, on the adding problem",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("fp16-pure"), {"optimizer-underflow", "lost-weight-updates"}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    constexpr std::int64_t batch = 16, steps = 10, width = 16;
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        std::vector<ValueId> x;
        for (std::int64_t t = 0; t < steps; ++t) x.push_back(net.input(fmt::format("x{}", t), {batch, 2}));
        const ValueId y = net.target("y", {batch, 1});
        std::vector<ValueId> input, state;
        for (const char *gate : {"update", "reset", "candidate"}) {
            const std::string at = std::string("cell.") + gate;
            input.push_back(net.weight(at + ".input", {width, 2}, [&](std::size_t) { return net.draw().normal(0.5); }));
            state.push_back(
                net.weight(at + ".state", {width, width}, [&](std::size_t) { return net.draw().normal(0.25); }));
        }
        ValueId h = net.constant("cell.start", {batch, width}, [](std::size_t) { return 0.0; });
        for (std::int64_t t = 0; t < steps; ++t) {
            const std::string at = fmt::format("cell.t{}", t);
            const auto gate = [&](std::size_t i, ValueId from, const std::string &name) {
                return net.add(net.product(x[static_cast<std::size_t>(t)], input[i], name + ".input"),
                               net.product(from, state[i], name + ".state"), name + ".sum");
            };
            const ValueId z = net.sigmoid(gate(0, h, at + ".update"), at + ".update");
            const ValueId r = net.sigmoid(gate(1, h, at + ".reset"), at + ".reset");
            const ValueId n = net.tanh(gate(2, net.multiply(r, h, at + ".kept"), at + ".candidate"), at + ".candidate");
            h = net.add(n, net.multiply(z, net.subtract(h, n, at + ".gap"), at + ".mixed"), at);
        }
        net.mse(net.linear(h, "head", 1, 0.2, true), y);
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        const auto a = static_cast<std::size_t>(draw.below(steps / 2));
        const auto b = static_cast<std::size_t>(steps / 2 + draw.below(steps / 2));
        double sum = 0;
        for (std::size_t t = 0; t < static_cast<std::size_t>(steps); ++t) {
            s[t] = {draw.uniform(), t == a || t == b ? 1.0 : 0.0};
            sum += s[t][0] * s[t][1];
        }
        s[static_cast<std::size_t>(steps)] = {sum + draw.normal(0.05)};
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.steps = 400;
    made.settings.trace_every = 2;
    made.long_factor = 5;
    return made;
}

/// h_t = 0.995 h_t-1 + B x_t, read out by C: the convolution form, one product with the kernel's matrix.
Case state_space() {
    Case made = new_case("linear-state-space", "a linear state space with a long memory, on sums of its input",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("bf16-o2"), {"coarse-output"}},
                          {recipe("bf16-pure"), {"coarse-output", "lost-weight-updates"}}});
    constexpr std::int64_t batch = 8, length = 48;
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {batch, length, 4}), y = net.target("y", {batch, length, 1});
        const ValueId memory = net.constant("ssm.kernel", {length, length}, [](std::size_t i) {
            const auto row = static_cast<double>(i / length), column = static_cast<double>(i % length);
            return row >= column ? std::pow(0.995, row - column) : 0.0;
        });
        const ValueId h = net.matmul(memory, net.linear(x, "ssm.B", 12, 0.5), "ssm.state");
        net.mse(net.linear(h, "ssm.C", 1, 0.1, true), y);
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        double sum = 0;
        for (std::size_t t = 0; t < static_cast<std::size_t>(length); ++t) {
            for (std::size_t i = 0; i < 4; ++i) s[0][4 * t + i] = 0.5 + draw.normal(0.7);
            sum = 0.995 * sum + s[0][4 * t] - 0.3 * s[0][4 * t + 1];
            s[1][t] = sum + draw.normal(0.3);
        }
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.005;
    made.settings.steps = 300;
    return made;
}

/// A block of a decoder: RMS norm, one head of causal attention, SwiGLU.
Case decoder_block() {
    Case made = new_case("rmsnorm-swiglu-decoder", "a decoder block with RMS norms and SwiGLU on a made-up language",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("fp16-pure"), {"optimizer-underflow"}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    constexpr std::int64_t batch = 8, length = 12, width = 24, vocabulary = 16;
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId tokens = net.integers("tokens", {batch, length});
        const ValueId e = net.embedding(tokens, "embed", vocabulary, width, 0.5);
        const ValueId n = net.rms_norm(e, "block.norm1", 1e-6);
        const ValueId scores = net.scale(net.matmul(net.linear(n, "block.q", width, 0.2),
                                                    net.linear(n, "block.k", width, 0.2), "block.scores", true),
                                         1 / std::sqrt(static_cast<double>(width)), "block.scaled");
        const ValueId mask = net.constant("block.mask", {length, length},
                                          [](std::size_t i) { return i % length > i / length ? -1e4 : 0.0; });
        const ValueId p = net.softmax(net.add(scores, mask, "block.masked"), "block.softmax");
        const ValueId context = net.matmul(p, net.linear(n, "block.v", width, 0.2), "block.context");
        const ValueId h = net.add(e, net.linear(context, "block.o", width, 0.2), "block.residual1");
        const ValueId m = net.rms_norm(h, "block.norm2", 1e-6);
        const ValueId gated = net.multiply(net.silu(net.linear(m, "block.gate", 48, 0.2), "block.silu"),
                                           net.linear(m, "block.up", 48, 0.2), "block.swiglu");
        const ValueId out = net.add(h, net.linear(gated, "block.down", width, 0.15), "block.residual2");
        net.cross_entropy(net.linear(net.rms_norm(out, "norm", 1e-6), "lm_head", vocabulary, 0.2));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        std::int64_t a = draw.below(vocabulary), b = draw.below(vocabulary);
        for (std::size_t t = 0; t < static_cast<std::size_t>(length); ++t) {
            const std::int64_t next = draw.uniform() < 0.1 ? draw.below(vocabulary) : (3 * a + b + 1) % vocabulary;
            s[0][t] = static_cast<double>(b);
            s[1][t] = static_cast<double>(next);
            a = b;
            b = next;
        }
    };
    made.settings.optimizer.kind = train::OptimizerKind::adamw;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.optimizer.weight_decay = 0.05;
    made.settings.steps = 250;
    made.settings.trace_every = 2;
    made.long_factor = 5;
    return made;
}

} // namespace

void add_held_out_sequences(std::vector<Case> &cases) {
    cases.push_back(recurrent());
    cases.push_back(state_space());
    cases.push_back(decoder_block());
}

} // namespace halfscope::hazards
