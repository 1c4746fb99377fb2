// Gradients that leave the range of the format: hazards G01, G03, N02, G15, H01.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

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
    cases.push_back(mean_pool("g15-mean-pool-scaled", "the same network with dynamic loss scaling",
                              {{recipe("fp16-amp", "dynamic"), {}}}));
}

} // namespace halfscope::hazards
