// Whole numbers in formats that cannot hold them: hazards P01, P02.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <cmath>

namespace halfscope::hazards {
namespace {

/// Positions as floating input, sines of their multiples, a small network.
Case positions(std::string name, std::string imitates, double length, bool smooth, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.model = [length, smooth](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("position", {32, 1}), y = net.target("y", {32, 1});
        const ValueId frequencies = net.constant("frequencies", {32, 1}, [&](std::size_t i) {
            return smooth ? 2 * M_PI * static_cast<double>(i / 2 + 1) / (4 * length)
                          : M_PI / std::pow(2, static_cast<double>(i / 2) * 10 / 15);
        });
        const ValueId phase = net.product(x, frequencies, "phase");
        const ValueId s = net.apply(OpKind::sine, {phase}, "sine", "sin");
        const ValueId c = net.apply(OpKind::cosine, {phase}, "cosine", "cos");
        const ValueId both = net.graph().add_node({OpKind::concat, ops::Axis{1}, {}}, {s, c}, "features", "cat");
        const ValueId h = net.relu(net.linear(both, "hidden", 64, 0.2, true), "relu");
        net.mse(net.linear(h, "head", 1, 0.1, true), y);
        return net.take();
    };
    made.sample = [length, smooth](Draw &draw, std::int64_t, Sample &s) {
        const double at = std::floor(draw.uniform() * length);
        s[0] = {at};
        // Either every second position is another class, or a slow curve (a diffusion schedule).
        s[1] = {smooth ? std::sin(6 * at / length) : std::fmod(at, 2) == 0 ? 1.0 : -1.0};
        s[1][0] += draw.normal(0.1);
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.steps = 300;
    made.trials = std::move(trials);
    return made;
}

} // namespace

void add_integer_cases(std::vector<Case> &cases) {
    cases.push_back(positions("p01-positions",
                              "positions up to 1024 cast to the model's format before the sine: bf16 "
                              "keeps every fourth",
                              1024, false, {{recipe("bf16-o2"), {"unrepresentable-integers"}}}));
    cases.push_back(positions("p02-timesteps",
                              "diffusion timesteps up to 1000: neighbours coincide in bf16, and what is "
                              "learnt hardly changes from one to the next",
                              1000, true, {{recipe("fp16-o2"), {}}, {recipe("bf16-o2"), {}}}));
}

} // namespace halfscope::hazards
