// Gradients that leave the range of the format: hazards G01, G03, N02, G07, G15, H01.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::hazards {
namespace {

/// The two-layer network of hazard G01: 4 inputs, 16 ReLU units, 1 output; loss = c * mean (p - y)^2.
Case two_layers(std::string name, std::string imitates, double c, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.model = [c](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {8, 4}), y = net.target("y", {8, 1});
        const ValueId h = net.relu(net.linear(x, "hidden", 16, std::sqrt(0.5)), "relu");
        net.mse(net.linear(h, "output", 1, 0.25), y, c);
        return net.take();
    };
    const std::vector<double> teacher = Draw(1).normals(4);
    made.sample = [teacher](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(4);
        s[1] = {std::tanh(dot(teacher, s[0]))};
    };
    made.settings.optimizer.learning_rate = 0.05 / c;
    made.settings.steps = 400;
    made.trials = std::move(trials);
    return made;
}

train::Recipe flushing(const std::string &base, const std::string &scale) {
    train::Recipe made = recipe(base, scale);
    made.flush_subnormals = true;
    made.name += " flushing";
    return made;
}

/// A mean over 1024 positions: each position's gradient is a thousandth of what the weights' gradients add up to.
Case mean_pool(std::string name, std::string imitates, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {8, 4, 512}), y = net.target("y", {8, 8});
        const ValueId w = net.weight("pixels", {8, 4}, [&](std::size_t) { return net.draw().normal(0.7); });
        const ValueId h = net.apply(OpKind::gelu, {net.matmul(w, x, "pixels")}, "gelu", "gelu");
        const ValueId pooled = net.reshape(net.mean_last(h, "pool"), {8, 8}, "flat");
        net.mse(net.linear(pooled, "head", 8, 0.35, true), y, std::ldexp(1.0, -12));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        // The target is the spread of each channel of the texture.
        for (std::size_t channel = 0; channel < 4; ++channel) {
            const double spread = 0.3 + 1.5 * draw.uniform();
            for (std::size_t i = 0; i < 512; ++i) s[0][channel * 512 + i] = draw.normal(spread);
            s[1][2 * channel] = spread - 1;
            s[1][2 * channel + 1] = (spread - 1) * (spread - 1);
        }
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.02;
    made.settings.optimizer.epsilon = 1e-16;
    made.settings.steps = 150;
    made.trials = std::move(trials);
    return made;
}

/// Five levels that each average over four neighbours: forward the signal stays, backward each position gets a quarter.
Case pyramid(std::string name, std::string imitates, std::vector<Trial> trials) {
    Case made = new_case(std::move(name), std::move(imitates), std::move(trials));
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {8, 4, 1024}), y = net.target("y", {8, 8});
        ValueId h = x;
        std::int64_t positions = 1024;
        for (int level = 0; level < 5; ++level) {
            const std::string at = fmt::format("levels.{}", level);
            const ValueId w = net.weight(at + ".mix", {6, level == 0 ? 4 : 6},
                                         [&](std::size_t) { return net.draw().normal(level == 0 ? 0.7 : 0.5); });
            h = net.apply(OpKind::gelu, {net.matmul(w, h, at + ".mix")}, at + ".gelu", "gelu");
            positions /= 4;
            h = net.mean_last(net.reshape(h, {8, 6, positions, 4}, at + ".windows"), at + ".pool");
            h = net.reshape(h, {8, 6, positions}, at + ".pooled");
        }
        net.mse(net.linear(net.reshape(h, {8, 6}, "flat"), "head", 8, 0.4, true), y, std::ldexp(1.0, -13));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        for (std::size_t channel = 0; channel < 4; ++channel) {
            const double spread = 0.3 + 1.5 * draw.uniform();
            for (std::size_t i = 0; i < 1024; ++i) s[0][channel * 1024 + i] = draw.normal(spread);
            s[1][2 * channel] = spread - 1;
            s[1][2 * channel + 1] = (spread - 1) * (spread - 1);
        }
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.01;
    made.settings.optimizer.epsilon = 1e-16;
    made.settings.steps = 150;
    made.settings.trace_every = 2;
    made.long_factor = 4;
    return made;
}

/// Two branches whose gradients are far from each other: a mean over 1024 outputs behind activations of 2^large, and an
/// output behind activations of 2^-small. Each explains half of the target.
Case two_sizes(std::string name, std::string imitates, int large, int small, std::vector<Trial> trials) {
    Case made = new_case(std::move(name), std::move(imitates), std::move(trials));
    made.model = [large, small](std::uint64_t seed) {
        Network net(seed);
        const ValueId a = net.input("a", {16, 8}), b = net.input("b", {16, 8}), y = net.target("y", {16, 1});
        const auto branch = [&](ValueId x, const std::string &at, int power, std::int64_t outputs) {
            const ValueId h = net.tanh(net.linear(x, at + ".fc1", 16, 0.4, true), at + ".tanh");
            const ValueId scaled = net.scale(h, std::ldexp(1.0, power), at + ".scaled");
            const ValueId out = net.linear(scaled, at + ".fc2", outputs, 0.25);
            return net.mean_last(net.scale(out, std::ldexp(1.0, -power), at + ".unscaled"), at + ".mean");
        };
        net.mse(net.add(branch(a, "quiet", large, 1024), branch(b, "loud", -small, 1), "sum"), y);
        return net.take();
    };
    made.sample = [t = Draw(15).normals(8, 0.5)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(8);
        s[1] = draw.normals(8);
        s[2] = {std::tanh(dot(t, s[0])) + std::tanh(dot(t, s[1])) + draw.normal(0.2)};
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.005;
    made.settings.optimizer.epsilon = 1e-16;
    made.settings.steps = 300;
    return made;
}

} // namespace

void add_gradient_cases(std::vector<Case> &cases) {
    const auto c = [](int k) { return std::ldexp(1.0, k); };
    cases.push_back(two_layers("g01-unscaled",
                               "SSD and the like without loss scaling: every hidden gradient is below 2^-25", c(-25),
                               {{recipe("fp16-amp", "none"), {"gradient-underflow"}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(two_layers("g01-scaled", "the same network with the customary static loss scale", c(-25),
                               {{recipe("fp16-amp", "static:1024"), {}}, {recipe("fp16-amp", "dynamic"), {}}}));
    cases.push_back(two_layers("g01-partly", "gradients at the end of the range: about half of them are lost", c(-24),
                               {{recipe("fp16-amp", "none"), {"gradient-underflow"}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(
        two_layers("n02-half-lost",
                   "SSD with a scale of 8: three quarters of the non-zero gradients are rounded to zero, and "
                   "the large ones carry the step",
                   c(-22), {{recipe("fp16-amp", "static:8"), {}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(two_layers("h01-flush", "hardware that flushes subnormals: ten binades of fp16 are gone", c(-17),
                               {{flushing("fp16-amp", "none"), {"subnormal-flush", "gradient-underflow"}},
                                {flushing("bf16-amp", "none"), {}}}));
    cases.push_back(two_layers("h01-subnormals-kept", "gradients that live on subnormals, on hardware that has them",
                               c(-17), {{recipe("fp16-amp", "none"), {}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(mean_pool(
        "g15-mean-pool", "a texture network that averages over positions: the gradient of each position is tiny",
        {{recipe("fp16-amp", "none"), {"gradient-underflow", "gradient-attenuation"}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(pyramid("g15-pyramid",
                            "five levels that average over four neighbours each: the first ones get no gradient",
                            {{recipe("fp16-amp", "none"), {"gradient-attenuation"}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(pyramid("g15-pyramid-scaled", "the same pyramid with dynamic loss scaling",
                            {{recipe("fp16-amp", "dynamic"), {}}}));
    cases.push_back(two_sizes("g07-no-scale-fits",
                              "two branches whose gradients are 41 binades apart: one overflows where the other begins",
                              14, 17, {{recipe("fp16-amp"), {"no-scale-fits"}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(two_sizes("g07-near", "the same branches 22 binades apart", 6, 6,
                              {{recipe("fp16-amp"), {}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(mean_pool("g15-mean-pool-scaled", "the same network with dynamic loss scaling",
                              {{recipe("fp16-amp", "dynamic"), {}}}));
}

} // namespace halfscope::hazards
