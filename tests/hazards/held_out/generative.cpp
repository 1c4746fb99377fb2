// Generative models: a variational autoencoder, a critic, a denoiser over noise levels, an autoencoder of bits.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include "emulation/model/loss_attachment.h"

#include <cmath>

namespace halfscope::hazards {
namespace {

/// Pictures of 4 x 4 made of three patterns.
void patterns(Draw &draw, std::vector<double> &pixels, double noise) {
    const std::vector<double> z = draw.normals(3);
    for (std::size_t i = 0; i < 16; ++i)
        pixels[i] = z[0] * std::cos(0.4 * static_cast<double>(i)) + z[1] * std::sin(0.9 * static_cast<double>(i)) +
                    z[2] * (i < 8 ? 0.7 : -0.7) + draw.normal(noise);
}

Case variational() {
    Case made = new_case("vae", "a variational autoencoder: squared error and divergence of the code",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("fp16-o2"), {}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {32, 16}), noise = net.input("noise", {32, 4});
        const ValueId h = net.tanh(net.linear(x, "encoder", 32, 0.25, true), "encoder.tanh");
        const ValueId mu = net.linear(h, "mu", 4, 0.2, true), v = net.linear(h, "logvar", 4, 0.1, true);
        const ValueId deviation = net.exponential(net.scale(v, 0.5, "half_logvar"), "deviation");
        const ValueId z = net.add(mu, net.multiply(deviation, noise, "spread"), "code");
        const ValueId out =
            net.linear(net.tanh(net.linear(z, "decoder", 32, 0.4, true), "decoder.tanh"), "out", 16, 0.2, true);
        const ValueId kl = net.mean_all(
            net.subtract(net.add(net.exponential(v, "variance"), net.square(mu, "mu.square"), "second"), v, "kl.terms"),
            "kl");
        net.own_loss(
            net.add(net.mean_square_error(out, x, "reconstruction"), net.scale(kl, 0.05, "kl.weighted"), "loss"));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        patterns(draw, s[0], 0.2);
        s[1] = draw.normals(4);
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.steps = 400;
    return made;
}

/// A critic that scores real pictures high and false ones low, with a drift term instead of a gradient penalty.
Case critic() {
    Case made = new_case("wgan-critic", "a critic's loss: a difference of two means, with a drift term",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("fp16-o2"), {}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId real = net.input("real", {32, 16}), made_up = net.input("false", {32, 16});
        const ValueId w1 = net.weight("critic.fc1", {32, 16}, [&](std::size_t) { return net.draw().normal(0.25); });
        const ValueId w2 = net.weight("critic.fc2", {1, 32}, [&](std::size_t) { return net.draw().normal(0.2); });
        const auto score = [&](ValueId x, const std::string &at) {
            const ValueId h = net.graph().add_node({OpKind::leaky_relu, ops::Scalars{0.2, 0}, {}},
                                                   {net.product(x, w1, at + ".fc1")}, at + ".act", "leaky_relu");
            return net.product(h, w2, at + ".fc2");
        };
        const ValueId r = score(real, "real_score"), f = score(made_up, "false_score");
        const ValueId gap = net.subtract(net.mean_all(f, "false.mean"), net.mean_all(r, "real.mean"), "gap");
        const ValueId drift = net.add(net.mean_all(net.square(r, "real.square"), "real.drift"),
                                      net.mean_all(net.square(f, "false.square"), "false.drift"), "drift");
        net.own_loss(net.add(gap, net.scale(drift, 0.05, "drift.weighted"), "loss"));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        patterns(draw, s[0], 0.1);
        for (double &v : s[0]) v = std::abs(v);
        s[1] = draw.normals(16);
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.001;
    made.settings.steps = 400;
    return made;
}

/// Denoising at noise levels from 0.002 up, preconditioned and weighted as in EDM.
Case denoiser() {
    Case made =
        new_case("edm-denoiser", "a denoiser over noise levels from 0.002 up, weighted by 1 / sigma^2",
                 {{recipe("fp16-amp"), {}},
                  {recipe("bf16-amp"), {}},
                  {recipe("fp16-o2"),
                   {"product-overflow", "forward-overflow", "norm-eps-lost", "nan-source", "backward-only-overflow"}},
                  {recipe("bf16-o2"), {"coarse-output", "cancellation"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId noisy = net.input("noisy", {32, 8}), sigma = net.input("sigma", {32, 1});
        const ValueId clean = net.target("clean", {32, 8});
        const ValueId s2 = net.square(sigma, "sigma.square");
        const ValueId total = net.shift(s2, 0.25, "total");
        const ValueId x = net.multiply(noisy, net.power(total, -0.5, "c_in"), "scaled");
        const ValueId level = net.scale(net.logarithm(sigma, "sigma.log"), 0.25, "c_noise");
        const ValueId h = net.silu(net.linear(net.concat({x, level}, 1, "features"), "hidden", 48, 0.3, true), "silu");
        const ValueId f = net.linear(h, "head", 8, 0.15, true);
        const ValueId skip =
            net.multiply(noisy, net.scale(net.power(total, -1, "total.inverse"), 0.25, "c_skip"), "skip");
        const ValueId c_out =
            net.scale(net.multiply(sigma, net.power(total, -0.5, "total.rsqrt"), "sigma.relative"), 0.5, "c_out");
        const ValueId d = net.add(skip, net.multiply(f, c_out, "correction"), "denoised");
        const ValueId weight = net.divide(total, net.scale(s2, 0.25, "sigma.data"), "weight");
        const ValueId error = net.square(net.subtract(d, clean, "error"), "error.square");
        net.own_loss(net.mean_all(net.multiply(weight, error, "weighted"), "loss"));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        const double a = draw.normal(0.5), b = draw.normal(0.5);
        s[1] = {std::max(0.002, std::exp(-1.2 + draw.normal(1.5)))};
        for (std::size_t i = 0; i < 8; ++i) {
            s[2][i] = i % 2 == 0 ? a : b * (i < 4 ? 1 : -1);
            s[0][i] = s[2][i] + draw.normal(s[1][0]);
        }
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.steps = 400;
    return made;
}

/// Bits through a bottleneck; the loss is PyTorch's own.
Case bits() {
    Case made = new_case("bit-autoencoder", "an autoencoder of bits through a bottleneck of 6",
                         {{recipe("fp16-amp", "none"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("fp16-pure"), {"lost-weight-updates", "optimizer-underflow"}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("bits", {16, 24});
        const ValueId code = net.tanh(net.linear(x, "encoder", 6, 0.25, true), "code");
        net.graph().outputs = {
            net.linear(net.relu(net.linear(code, "decoder", 32, 0.4, true), "relu"), "out", 24, 0.2, true)};
        model::attach_loss(net.graph(), "bce-with-logits");
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        const std::int64_t word = draw.below(32);
        for (std::size_t i = 0; i < 24; ++i) {
            const bool bit = ((word * 37 + static_cast<std::int64_t>(i) * 11) >> (i % 5) & 1) != 0;
            s[0][i] = (draw.uniform() < 0.05) != bit ? 1 : 0;
            s[1][i] = s[0][i];
        }
    };
    made.settings.optimizer.learning_rate = 0.3;
    made.settings.optimizer.momentum = 0.9;
    made.settings.steps = 400;
    return made;
}

} // namespace

void add_held_out_generative(std::vector<Case> &cases) {
    cases.push_back(variational());
    cases.push_back(critic());
    cases.push_back(denoiser());
    cases.push_back(bits());
}

} // namespace halfscope::hazards
