// Activations that leave the range of the format, and some that only come near: hazards A01 to A03, A08 to A14, A17,
// A18.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <cmath>

namespace halfscope::hazards {
namespace {

Case named(std::string name, std::string imitates, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.trials = std::move(trials);
    made.settings.steps = 200;
    made.settings.optimizer.learning_rate = 0.02;
    return made;
}

/// The target is a smooth function of the first eight inputs, each divided by `size`.
Sampler smooth(std::size_t width, double size, double noise = 0.1) {
    const std::vector<double> teacher = Draw(9).normals(8, 0.5);
    return [=](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(width, size);
        double z = 0;
        for (std::size_t i = 0; i < 8; ++i) z += teacher[i] * s[0][i] / size;
        s[1] = {std::tanh(z) + draw.normal(noise)};
    };
}

/// T5's feed-forward block: one output channel is `outlier` in all its weights; residual, norm, head.
Case feed_forward(std::string name, std::string imitates, double outlier, std::vector<Trial> trials) {
    Case made = named(std::move(name), std::move(imitates), std::move(trials));
    made.model = [outlier](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 32}), y = net.target("y", {16, 1});
        const ValueId embedded = net.linear(x, "embed", 32, 0.18);
        const ValueId h = net.relu(net.linear(embedded, "block.ffn.wi", 64, 7), "block.ffn.relu");
        const ValueId wo = net.weight("block.ffn.wo", {32, 64},
                                      [&](std::size_t i) { return i < 64 ? outlier : net.draw().normal(0.02); });
        const ValueId o = net.product(h, wo, "block.ffn.wo");
        const ValueId n = net.rms_norm(net.add(embedded, o, "block.residual"), "final_norm", 1e-6);
        net.mse(net.linear(n, "head", 1, 0.2, true), y);
        return net.take();
    };
    made.sample = smooth(32, 1);
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    return made;
}

/// Two gates of size `gate` are multiplied.
Case gated(std::string name, std::string imitates, double gate, std::vector<Trial> trials) {
    Case made = named(std::move(name), std::move(imitates), std::move(trials));
    made.model = [gate](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 16}), y = net.target("y", {16, 1});
        const ValueId a = net.linear(x, "mlp.gate", 32, gate / 4), b = net.linear(x, "mlp.up", 32, gate / 4);
        const ValueId product = net.multiply(net.apply(OpKind::silu, {a}, "mlp.act", "silu"), b, "mlp.product");
        const ValueId n = net.rms_norm(net.linear(product, "mlp.down", 16, 0.001), "norm", 1e-6);
        net.mse(net.linear(n, "head", 1, 0.2, true), y);
        return net.take();
    };
    made.sample = smooth(16, 1);
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    return made;
}

/// A residual stream that each block makes `gain` times larger.
Case residual(std::string name, std::string imitates, double gain, std::vector<Trial> trials) {
    Case made = named(std::move(name), std::move(imitates), std::move(trials));
    made.model = [gain](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 16}), y = net.target("y", {16, 1});
        ValueId h = net.linear(x, "embed", 32, 0.25);
        for (int block = 0; block < 6; ++block) {
            const std::string at = "blocks." + std::to_string(block);
            const ValueId branch = net.linear(net.relu(h, at + ".relu"), at + ".linear", 32, gain * 0.25);
            h = net.add(h, branch, at + ".add");
        }
        net.mse(net.linear(net.rms_norm(h, "norm", 1e-6), "head", 1, 0.2, true), y);
        return net.take();
    };
    made.sample = smooth(16, 1);
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.002;
    return made;
}

/// RMS norm written out in the model's own format.
ValueId written_norm(Network &net, ValueId x, double epsilon) {
    const ValueId square = net.power(x, 2, "norm.square");
    const ValueId rsqrt =
        net.power(net.shift(net.mean_last(square, "norm.mean"), epsilon, "norm.eps"), -0.5, "norm.rsqrt");
    return net.multiply(x, rsqrt, "norm");
}

Case norm_variance(std::string name, std::string imitates, double size, std::vector<Trial> trials) {
    Case made = named(std::move(name), std::move(imitates), std::move(trials));
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 32}), y = net.target("y", {16, 1});
        const ValueId n = written_norm(net, x, 1e-5);
        const ValueId h = net.relu(net.linear(n, "hidden", 32, 0.25, true), "relu");
        net.mse(net.linear(h, "head", 1, 0.2, true), y);
        return net.take();
    };
    made.sample = smooth(32, size);
    made.settings.optimizer.learning_rate = 0.05;
    return made;
}

/// The tanh GELU written out, on hidden values of which one unit reaches `unit`.
Case cubic(std::string name, std::string imitates, double unit, std::vector<Trial> trials) {
    Case made = named(std::move(name), std::move(imitates), std::move(trials));
    made.model = [unit](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 16}), y = net.target("y", {16, 1});
        const ValueId w = net.weight("mlp.fc", {32, 16}, [&](std::size_t i) {
            return i < 16 ? (i == 8 ? unit / 2 : 0) : net.draw().normal(0.25);
        });
        const ValueId z = net.product(x, w, "mlp.fc");
        const ValueId cube = net.scale(net.power(z, 3, "gelu.cube"), 0.044715, "gelu.scaled");
        const ValueId inner = net.scale(net.add(z, cube, "gelu.sum"), 0.7978845608, "gelu.inner");
        const ValueId t = net.shift(net.apply(OpKind::tanh, {inner}, "gelu.tanh", "tanh"), 1, "gelu.shift");
        const ValueId g = net.scale(net.multiply(z, t, "gelu.product"), 0.5, "gelu");
        const ValueId out =
            net.weight("head", {1, 32}, [&](std::size_t i) { return i == 0 ? 0 : net.draw().normal(0.2); });
        net.mse(net.product(g, out, "head"), y);
        return net.take();
    };
    made.sample = [base = smooth(16, 1)](Draw &draw, std::int64_t index, Sample &s) {
        base(draw, index, s);
        s[0][8] = 1.9 + 0.2 * draw.uniform(); // a feature that is nearly constant, as biases are
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    return made;
}

Case softmax_by_hand(std::string name, std::string imitates, bool shifted, std::vector<Trial> trials) {
    Case made = named(std::move(name), std::move(imitates), std::move(trials));
    made.model = [shifted](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 16}), y = net.target("y", {16, 1});
        ValueId z = net.scale(net.linear(x, "gate", 8, 0.3), 8, "gate.temperature");
        if (shifted)
            z = net.apply(
                OpKind::subtract,
                {z, net.graph().add_node({OpKind::reduce_max, ops::Reduction{{1}, true}, {}}, {z}, "gate.max", "amax")},
                "gate.shifted", "sub");
        const ValueId e = net.apply(OpKind::exponential, {z}, "gate.exp", "exp");
        const ValueId p = net.apply(OpKind::divide, {e, net.sum_last(e, "gate.sum")}, "gate.softmax", "div");
        const ValueId experts = net.apply(OpKind::tanh, {net.linear(x, "experts", 8, 0.3)}, "experts.act", "tanh");
        net.mse(net.sum_last(net.multiply(p, experts, "mix"), "mixed"), y);
        return net.take();
    };
    made.sample = smooth(16, 1);
    made.settings.optimizer.learning_rate = 0.02;
    made.settings.steps = 400;
    return made;
}

Case large_target(std::string name, std::string imitates, double offset, double noise, std::vector<Trial> trials) {
    Case made = named(std::move(name), std::move(imitates), std::move(trials));
    made.model = [offset](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {32, 8}), y = net.target("y", {32, 1});
        const ValueId h = net.relu(net.linear(x, "hidden", 16, 0.4, true), "relu");
        const ValueId p = net.linear(h, "output", 1, 0.25);
        const ValueId b =
            net.graph().add_weight("output.bias", "output", tensor({1}, [&](std::size_t) { return offset - 20; }));
        net.mse(net.add(p, b, "output.add_bias"), y);
        return net.take();
    };
    made.sample = [=, t = Draw(9).normals(8, 0.5)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(8);
        s[1] = {offset + 20 * std::tanh(dot(t, s[0])) + draw.normal(noise)};
    };
    made.settings.optimizer.learning_rate = 0.01;
    made.settings.steps = 300;
    return made;
}

} // namespace

void add_activation_cases(std::vector<Case> &cases) {
    cases.push_back(feed_forward("a01-ffn-overflow", "T5's feed-forward output, 80000 in one channel", 80,
                                 {{recipe("fp16-amp"), {"forward-overflow"}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(feed_forward("a01-near", "the same block at a tenth of the size", 8,
                                 {{recipe("fp16-amp"), {}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(gated("a02-gated-product", "SwiGLU: a product of two values of a few hundred each", 400,
                          {{recipe("fp16-amp"), {"product-overflow"}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(gated("a02-near", "the same product of smaller gates", 60,
                          {{recipe("fp16-amp"), {}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(
        residual("a03-residual-growth", "a residual stream that grows block by block past the limit", 9,
                 {{recipe("fp16-amp"), {"residual-growth", "forward-overflow"}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(residual("a03-near", "a residual stream that ends close below the limit", 3,
                             {{recipe("fp16-amp"), {}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(norm_variance("a09-norm-variance",
                                  "a hand-written RMS norm of values around 150: squares are infinite, "
                                  "and the layer silently gives zeros",
                                  150, {{recipe("fp16-o2"), {"norm-variance-overflow"}}, {recipe("bf16-o2"), {}}}));
    cases.push_back(norm_variance("a09-near", "the same norm of values around 40", 40,
                                  {{recipe("fp16-o2"), {}}, {recipe("bf16-o2"), {}}}));

    Case eps = named("a10-norm-eps", "a hand-written norm with eps = 1e-12 that meets a row of zeros (padding)",
                     {{recipe("fp16-o2"), {"norm-eps-lost", "nan-source"}}, {recipe("bf16-o2"), {}}});
    eps.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 16}), y = net.target("y", {16, 1});
        const ValueId n = written_norm(net, x, 1e-12);
        net.mse(net.linear(net.relu(net.linear(n, "hidden", 16, 0.25, true), "relu"), "head", 1, 0.2, true), y);
        return net.take();
    };
    eps.sample = [base = smooth(16, 1)](Draw &draw, std::int64_t index, Sample &s) {
        base(draw, index, s);
        if (index % 16 == 0) s[0].assign(16, 0.0);
    };
    eps.settings.optimizer.learning_rate = 0.05;
    cases.push_back(eps);

    Case tiny = named("a11-tiny-weights", "weights that decayed to 1e-9 before a norm that hides their size",
                      {{recipe("fp16-amp"), {"weight-underflow"}}, {recipe("bf16-amp"), {}}});
    tiny.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 16}), y = net.target("y", {16, 1});
        const ValueId n = net.rms_norm(net.linear(x, "stem", 32, 1e-9), "norm", 1e-24);
        net.mse(net.linear(net.relu(n, "relu"), "head", 1, 0.2, true), y);
        return net.take();
    };
    tiny.sample = smooth(16, 1);
    cases.push_back(tiny);

    cases.push_back(cubic("a13-gelu-cubic", "a hand-written tanh GELU on a unit of 150: its backward pass is 0 * inf",
                          150, {{recipe("fp16-o2"), {"cubic-overflow"}}, {recipe("bf16-o2"), {}}}));
    cases.push_back(cubic("a13-near",
                          "the same on a unit of 60: the cube is infinite, and tanh(inf) is 1 as it should be", 60,
                          {{recipe("fp16-o2"), {}}, {recipe("bf16-o2"), {}}}));
    cases.push_back(softmax_by_hand("a14-softmax-by-hand", "exp(z) / sum exp(z) without subtracting the maximum", false,
                                    {{recipe("fp16-o2"), {"exponential-overflow"}}, {recipe("bf16-o2"), {}}}));
    cases.push_back(softmax_by_hand("a14-shifted", "the same with the maximum subtracted", true,
                                    {{recipe("fp16-o2"), {}}, {recipe("bf16-o2"), {}}}));
    cases.push_back(
        large_target("a17-large-target", "a regression on values near 3000 with an output in 16 bits", 3000, 5,
                     {{recipe("fp16-o2"), {}}, {recipe("bf16-pure"), {"coarse-output", "lost-weight-updates"}}}));
    cases.push_back(large_target("a17-normalised", "the same task with its mean taken out", 0, 3,
                                 {{recipe("fp16-amp"), {}}, {recipe("bf16-amp"), {}}}));

    Case logvar = named("a18-exp-logvar", "a variational bottleneck whose log-variances reach 12",
                        {{recipe("fp16-o2"), {"exponential-overflow"}}, {recipe("bf16-o2"), {}}});
    logvar.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 16}), y = net.target("y", {16, 1});
        const ValueId v = net.scale(net.linear(x, "logvar", 8, 0.25), 4, "logvar.scaled");
        const ValueId e = net.apply(OpKind::exponential, {v}, "kl.exp", "exp");
        const ValueId kl =
            net.scale(net.mean_all(net.apply(OpKind::subtract, {e, v}, "kl.terms", "sub"), "kl"), 0.001, "kl.weighted");
        const ValueId p = net.linear(x, "head", 1, 0.2, true);
        const ValueId fit =
            net.mean_all(net.power(net.apply(OpKind::subtract, {p, y}, "error", "sub"), 2, "square"), "fit");
        net.own_loss(net.add(fit, kl, "loss"));
        return net.take();
    };
    logvar.sample = smooth(16, 1);
    logvar.settings.optimizer.kind = train::OptimizerKind::adam;
    logvar.settings.optimizer.learning_rate = 0.003;
    cases.push_back(logvar);

    Case fourier =
        named("a08-fourier-dc", "a discrete Fourier transform of a signal that is not centred: the DC term is 80000",
              {{recipe("fp16-amp"), {"forward-overflow", "sum-overflow"}}, {recipe("bf16-amp"), {}}});
    fourier.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {8, 1024}), y = net.target("y", {8, 1});
        const ValueId dft = net.constant("dft", {16, 1024}, [](std::size_t i) {
            return std::cos(2 * M_PI * static_cast<double>((i / 1024) * (i % 1024)) / 1024);
        });
        const ValueId spectrum = net.product(x, dft, "spectrum");
        const ValueId n = net.layer_norm(spectrum, "norm");
        net.mse(net.linear(net.relu(net.linear(n, "hidden", 32, 0.5, true), "relu"), "head", 1, 0.2, true), y);
        return net.take();
    };
    fourier.sample = [](Draw &draw, std::int64_t, Sample &s) {
        const double a = draw.normal(), b = draw.normal();
        for (std::size_t i = 0; i < 1024; ++i) {
            const double phase = 2 * M_PI * static_cast<double>(i) / 1024;
            s[0][i] = 80 + 20 * (a * std::cos(3 * phase) + b * std::cos(5 * phase)) + draw.normal();
        }
        s[1] = {std::tanh(a - b)};
    };
    fourier.settings.optimizer.kind = train::OptimizerKind::adam;
    fourier.settings.optimizer.learning_rate = 0.01;
    cases.push_back(fourier);
}

} // namespace halfscope::hazards
