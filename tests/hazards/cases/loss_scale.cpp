// Loss scales that are wrong for the model, and some that only start wrong: hazards G02, G04, G06, G08, G09, G11, N03.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <cmath>

namespace halfscope::hazards {
namespace {

Case named(std::string name, std::string imitates) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    return made;
}

/// 8 inputs, 16 ReLU units, 1 output near `offset`.
model::Graph regression(std::uint64_t seed, double factor) {
    Network net(seed);
    const ValueId x = net.input("x", {16, 8}), y = net.target("y", {16, 1});
    const ValueId h = net.relu(net.linear(x, "hidden", 16, 0.5, true), "relu");
    net.mse(net.linear(h, "output", 1, 0.25, true), y, factor);
    return net.take();
}

Sampler smooth_teacher(double offset, double noise) {
    const std::vector<double> teacher = Draw(3).normals(8, 0.5);
    return [=](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(8);
        s[1] = {offset + std::tanh(dot(teacher, s[0])) + draw.normal(noise)};
    };
}

Case half_loss(std::string name, std::string imitates, const std::string &scale, std::vector<std::string> causes) {
    Case made = named(std::move(name), std::move(imitates));
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 8}), y = net.target("y", {16, 1});
        const ValueId p = net.linear(x, "output", 1, 0.25, true);
        net.own_loss(net.mean_all(net.power(net.apply(OpKind::subtract, {p, y}, "error", "sub"), 2, "square"), "loss"));
        return net.take();
    };
    made.sample = [teacher = Draw(4).normals(8, 0.5)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(8);
        s[1] = {2 + dot(teacher, s[0]) + draw.normal(0.5)};
    };
    made.settings.optimizer.learning_rate = 0.02;
    made.settings.steps = 200;
    made.trials = {{recipe("fp16-o2", scale), std::move(causes)}, {recipe("bf16-o2", scale), {}}};
    return made;
}

Case clipped(std::string name, std::string imitates, bool adam, std::vector<std::string> causes) {
    Case made = named(std::move(name), std::move(imitates));
    made.model = [](std::uint64_t seed) { return regression(seed, 1); };
    made.sample = smooth_teacher(0, 0.1);
    made.settings.clip_norm = 1;
    made.settings.clip_scaled = true;
    made.settings.steps = 300;
    made.settings.optimizer.kind = adam ? train::OptimizerKind::adam : train::OptimizerKind::sgd;
    made.settings.optimizer.learning_rate = adam ? 0.01 : 0.1;
    made.settings.optimizer.epsilon = 1e-12;
    made.trials = {{recipe("fp16-amp", "static:4096"), std::move(causes)}, {recipe("bf16-amp"), {}}};
    return made;
}

} // namespace

void add_loss_scale_cases(std::vector<Case> &cases) {
    cases.push_back(
        half_loss("g04-scaled-half-loss",
                  "a loss kept in fp16 times a static scale of 65536: the first gradient is infinite for good",
                  "static:65536", {"backward-only-overflow", "scale-collapse"}));
    cases.push_back(half_loss(
        "g04-dynamic", "the same loss under a dynamic scale, which finds its place in a few halvings", "dynamic", {}));

    Case cap = named("g06-scale-cap", "gradients that need a scale beyond the rule's cap of 2^24");
    cap.model = [](std::uint64_t seed) { return regression(seed, std::ldexp(1.0, -52)); };
    cap.sample = smooth_teacher(0, 0.1);
    cap.settings.optimizer.learning_rate = std::ldexp(0.05, 52);
    cap.settings.steps = 300;
    cap.trials = {{recipe("fp16-amp", "apex"), {"gradient-underflow", "no-scale-fits"}}, {recipe("bf16-amp"), {}}};
    cases.push_back(cap);

    Case floor =
        named("g06-scale-floor", "a loss so large that only a scale below 1 would do, under a rule that stops at 1");
    floor.model = [](std::uint64_t seed) { return regression(seed, std::ldexp(1.0, 24)); };
    floor.sample = smooth_teacher(1, 0.1);
    floor.settings.optimizer.learning_rate = std::ldexp(0.05, -24);
    floor.settings.steps = 200;
    floor.trials = {{recipe("fp16-amp", "deepspeed-fp16opt"), {"backward-only-overflow", "scale-collapse"}},
                    {recipe("bf16-amp"), {}}};
    cases.push_back(floor);

    Case high = named("g09-scale-too-large", "a static scale copied from another model: every backward pass overflows");
    high.model = [](std::uint64_t seed) { return regression(seed, 1); };
    high.sample = smooth_teacher(1, 0.1);
    high.settings.optimizer.learning_rate = 0.05;
    high.settings.steps = 200;
    high.trials = {{recipe("fp16-amp", "static:16777216"), {"backward-only-overflow", "scale-collapse"}},
                   {recipe("bf16-amp", "static:16777216"), {}}};
    cases.push_back(high);

    Case warm_up = named("n03-scaler-warm-up", "a dynamic scale that starts at 2^32 and skips its first dozen steps");
    warm_up.model = high.model;
    warm_up.sample = high.sample;
    warm_up.settings = high.settings;
    warm_up.settings.steps = 300;
    warm_up.trials = {{recipe("fp16-amp", "torch:init=4294967296"), {}},
                      {recipe("fp16-amp", "megatron:interval=50"), {}}};
    cases.push_back(warm_up);

    Case growing = named("n03-scale-hunts", "a dynamic scale that grows every 20 steps and overflows again and again");
    growing.model = high.model;
    growing.sample = high.sample;
    growing.settings = high.settings;
    growing.settings.steps = 400;
    growing.trials = {{recipe("fp16-amp", "torch:interval=20"), {}}};
    cases.push_back(growing);

    cases.push_back(clipped("g11-clip-before-unscale",
                            "clipping while the gradients still carry the loss scale, with SGD", false,
                            {"clip-before-unscale"}));
    cases.push_back(
        clipped("g11-clip-with-adam", "the same mistake with Adam, which divides the length out again", true, {}));

    Case norm = named("g10-gradient-norm-overflow",
                      "clipping by a norm that is infinite in fp16, although no gradient is: every step is zero");
    norm.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 256}), y = net.target("y", {16, 1});
        net.mse(net.linear(x, "output", 1, 0.06), y, 8192);
        return net.take();
    };
    norm.sample = [teacher = Draw(13).normals(256, 0.1)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(256);
        s[1] = {dot(teacher, s[0]) + draw.normal(0.2)};
    };
    norm.settings.optimizer.learning_rate = 0.02;
    norm.settings.clip_norm = 1;
    norm.settings.steps = 300;
    norm.trials = {{recipe("fp16-pure"), {"gradient-norm-overflow"}}, {recipe("bf16-pure"), {}}};
    cases.push_back(norm);

    Case shrinking = named("g02-underflow-later",
                           "next to no noise and no loss scaling: gradients fit at first and shrink out of range");
    shrinking.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 8}), y = net.target("y", {16, 1});
        net.mse(net.linear(x, "output", 1, 0.25), y, std::ldexp(1.0, -16));
        return net.take();
    };
    shrinking.sample = [teacher = Draw(5).normals(8, 0.5)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(8);
        s[1] = {dot(teacher, s[0]) + draw.normal(0.004)};
    };
    shrinking.settings.optimizer.learning_rate = std::ldexp(0.01, 16);
    shrinking.settings.steps = 150;
    shrinking.long_factor = 8;
    shrinking.late = true;
    shrinking.trials = {{recipe("fp16-amp", "none"), {"gradient-underflow-trend", "gradient-underflow"}},
                        {recipe("fp16-amp", "dynamic"), {}}};
    cases.push_back(shrinking);
}

} // namespace halfscope::hazards
