// Adam's memory in 16 bits: hazards U06, U07, U08.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <cmath>

namespace halfscope::hazards {
namespace {

/// 16-bit weights with fp32 masters, but m and v in 16 bits.
train::Recipe narrow_state(const std::string &base, const std::string &scale) {
    train::Recipe made = recipe(base, scale, base + " 16-bit state");
    made.state = made.compute;
    return made;
}

Case named(std::string name, std::string imitates) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    return made;
}

std::function<model::Graph(std::uint64_t)> two_layers(double factor) {
    return [factor](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 8}), y = net.target("y", {16, 1});
        const ValueId h = net.apply(OpKind::tanh, {net.linear(x, "hidden", 16, 0.5, true)}, "tanh", "tanh");
        net.mse(net.linear(h, "output", 1, 0.25, true), y, factor);
        return net.take();
    };
}

Sampler teacher(double offset, double noise) {
    const std::vector<double> t = Draw(8).normals(8, 0.5);
    return [=](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(8);
        s[1] = {offset + std::tanh(dot(t, s[0])) + draw.normal(noise)};
    };
}

} // namespace

void add_optimizer_state_cases(std::vector<Case> &cases) {
    Case shorter =
        named("n-stuck-second-moment",
              "v in bf16 stays where large first gradients put it, and the shorter steps end nearer to the goal");
    shorter.model = two_layers(1);
    shorter.sample = teacher(10, 0.05);
    shorter.settings.optimizer.learning_rate = 0.03;
    shorter.settings.steps = 1000;
    shorter.settings.trace_every = 5;
    shorter.trials = {{narrow_state("bf16-o2", "none"), {}}};
    cases.push_back(shorter);

    Case stuck = named("u06-stuck-second-moment",
                       "v in bf16 after large first gradients: beta2 = 0.999 cannot bring it down again");
    stuck.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 8}), y = net.target("y", {16, 1});
        const ValueId h = net.apply(OpKind::tanh, {net.linear(x, "hidden", 16, 0.5, true)}, "tanh", "tanh");
        net.mse(net.scale(net.linear(h, "output", 1, 0.02, true), 20, "output.scaled"), y);
        return net.take();
    };
    stuck.sample = teacher(15, 0.05);
    stuck.settings.optimizer.learning_rate = 0.001;
    stuck.settings.steps = 4000;
    stuck.settings.trace_every = 20;
    stuck.long_factor = 3;
    stuck.trials = {{narrow_state("bf16-o2", "none"), {"stuck-second-moment"}},
                    {narrow_state("fp16-o2", "dynamic"), {"optimizer-underflow", "stuck-second-moment"}}};
    cases.push_back(stuck);

    Case lost =
        named("u07-second-moment-underflow", "m and v in fp16 with gradients of 1e-4: v is zero, the step is m / eps");
    lost.model = two_layers(1e-3);
    lost.sample = teacher(0, 0.1);
    lost.settings.optimizer.learning_rate = 0.005;
    lost.settings.optimizer.beta2 = 0.99;
    lost.settings.steps = 300;
    lost.trials = {{narrow_state("fp16-o2", "dynamic"), {"optimizer-underflow"}},
                   {narrow_state("bf16-o2", "none"), {}}};
    cases.push_back(lost);

    Case hyper = named("u10-rounded-betas",
                       "betas rounded to the state's bf16: beta2 = 0.999 is 1, v stays zero and each step is m / eps");
    hyper.model = two_layers(1);
    hyper.sample = teacher(0, 0.1);
    hyper.settings.optimizer.learning_rate = 0.005;
    hyper.settings.optimizer.round_hyperparameters = true;
    hyper.settings.steps = 300;
    hyper.trials = {{narrow_state("bf16-o2", "none"), {"rounded-hyperparameters"}}, {recipe("bf16-amp"), {}}};
    cases.push_back(hyper);

    Case eps = named("u08-eps-lost",
                     "Adam in fp16 throughout: eps = 1e-8 is zero, and a row that was not looked up gives 0 / 0");
    eps.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId token = net.integers("token", {16}), y = net.target("y", {16, 4});
        const ValueId e = net.embedding(token, "table", 64, 8, 0.3);
        net.mse(net.linear(e, "output", 4, 0.3), y);
        return net.take();
    };
    eps.sample = [](Draw &draw, std::int64_t, Sample &s) {
        s[0] = {static_cast<double>(draw.below(64))};
        Draw label(static_cast<std::uint64_t>(s[0][0]) + 9100);
        for (std::size_t i = 0; i < 4; ++i) s[1][i] = label.normal() + draw.normal(0.5);
    };
    eps.settings.optimizer.learning_rate = 0.01;
    eps.settings.optimizer.beta2 = 0.98;
    eps.settings.steps = 200;
    eps.trials = {{recipe("fp16-pure"), {"optimizer-underflow", "eps-lost"}}, {recipe("bf16-pure"), {}}};
    cases.push_back(eps);

    Case harmless = named("n-eps-lost", "the same lost eps where no gradient is ever near zero");
    harmless.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 8}), y = net.target("y", {16, 1});
        net.mse(net.linear(x, "output", 1, 0.25), y, 32);
        return net.take();
    };
    harmless.sample = teacher(0, 0.5);
    harmless.settings.optimizer.learning_rate = 0.01;
    harmless.settings.optimizer.beta2 = 0.98;
    harmless.settings.steps = 300;
    harmless.trials = {{recipe("fp16-pure"), {}}, {recipe("bf16-pure"), {}}};
    cases.push_back(harmless);
}

} // namespace halfscope::hazards
