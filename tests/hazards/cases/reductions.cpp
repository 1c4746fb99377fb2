// Sums in 16 bits: hazards A12, A15, A16, H02.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <cmath>

namespace halfscope::hazards {
namespace {

train::Recipe accumulating(const std::string &base, ops::Accumulation accumulation) {
    train::Recipe made = recipe(base, {}, base + " " + std::string(ops::name_of(accumulation)));
    made.accumulation = accumulation;
    return made;
}

/// A hub sums the messages of its neighbours: degree up to 4000, messages around 0.1; the degree is to be told.
Case hub(std::string name, std::string imitates, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("adjacency", {8, 4096}), y = net.target("degree", {8, 1});
        const ValueId messages =
            net.constant("messages", {4096, 4}, [&](std::size_t i) { return 0.05 + 0.1 * Draw(i + 50).uniform(); });
        const ValueId sum = net.matmul(x, messages, "aggregate");
        const ValueId h =
            net.relu(net.linear(net.scale(sum, 0.005, "aggregate.scaled"), "hidden", 16, 0.7, true), "relu");
        net.mse(net.linear(h, "head", 1, 0.2, true), y);
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        const double share = draw.uniform();
        double degree = 0;
        for (double &edge : s[0]) degree += edge = draw.uniform() < share ? 1 : 0;
        s[1] = {degree / 2048 - 1 + draw.normal(0.05)};
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.01;
    made.settings.steps = 200;
    made.long_factor = 4;
    made.trials = std::move(trials);
    return made;
}

/// Dice loss of a map of `pixels` pixels that are nearly all foreground, summed in the model's format.
Case dice(std::string name, std::string imitates, std::int64_t pixels, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.model = [pixels](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {1, pixels}), t = net.target("t", {1, pixels});
        const ValueId w = net.weight("conv", {1, 1}, [&](std::size_t) { return 0.5 + net.draw().normal(0.1); });
        const ValueId b = net.graph().add_weight("conv.bias", "conv", tensor({1, 1}, [](std::size_t) { return 1.5; }));
        const ValueId p =
            net.apply(OpKind::sigmoid, {net.add(net.multiply(x, w, "conv"), b, "conv.add_bias")}, "sigmoid", "sigmoid");
        const ValueId overlap = net.sum_last(net.multiply(p, t, "overlap"), "intersection");
        const ValueId total = net.add(net.sum_last(p, "sum_p"), net.sum_last(t, "sum_t"), "union");
        const ValueId ratio = net.apply(OpKind::divide, {net.scale(overlap, 2, "doubled"), total}, "dice", "div");
        net.own_loss(net.mean_all(net.shift(net.scale(ratio, -1, "minus"), 1, "complement"), "loss"));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        for (std::size_t i = 0; i < s[0].size(); ++i) {
            s[0][i] = draw.uniform() * 4 - 1;
            s[1][i] = s[0][i] + 0.3 * (draw.uniform() - 0.5) > 0 ? 1 : 0;
        }
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.05;
    made.settings.steps = 40;
    made.long_factor = 4;
    made.trials = std::move(trials);
    return made;
}

/// Centring written out: the mean as a sum over 1024 values near `level`, divided by their number.
Case centring(std::string name, std::string imitates, double level, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {8, 1024}), y = net.target("y", {8, 1});
        const ValueId mean = net.scale(net.sum_last(x, "norm.sum"), 1.0 / 1024, "norm.mean");
        const ValueId centred = net.apply(OpKind::subtract, {x, mean}, "norm.centred", "sub");
        const ValueId pooled = net.scale(net.linear(centred, "filter", 8, 0.03), 0.1, "filter.scaled");
        net.mse(net.linear(net.relu(pooled, "relu"), "head", 1, 0.3, true), y);
        return net.take();
    };
    made.sample = [level](Draw &draw, std::int64_t, Sample &s) {
        const double a = draw.normal();
        for (std::size_t i = 0; i < 1024; ++i)
            s[0][i] = level + 4 * a * std::cos(0.05 * static_cast<double>(i)) + draw.normal();
        s[1] = {std::tanh(a)};
    };
    made.settings.optimizer.learning_rate = 0.01;
    made.settings.steps = 150;
    made.trials = std::move(trials);
    return made;
}

} // namespace

void add_reduction_cases(std::vector<Case> &cases) {
    const char *const saturation = "sum-saturation", *const product = "narrow-accumulation";
    cases.push_back(hub("a16-sum-saturation",
                        "graph aggregation by an accumulator in 16 bits: it stops at 256 in fp16, at "
                        "32 in bf16",
                        {{accumulating("fp16-amp", ops::Accumulation::fp16_fma_chain), {saturation, product}},
                         {accumulating("bf16-amp", ops::Accumulation::bf16_fma_chain), {saturation, product}}}));
    cases.push_back(hub("a16-fp32-accumulator", "the same aggregation by a matrix unit that adds up in fp32",
                        {{accumulating("fp16-amp", ops::Accumulation::hopper), {}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(dice("a15-dice-overflow", "Dice loss of 300 x 300 pixels: the sums exceed 65504", 90000,
                         {{recipe("fp16-o2"), {"sum-overflow"}}, {recipe("bf16-o2"), {}}}));
    cases.push_back(
        dice("a15-near", "Dice loss of 128 x 128 pixels", 16384, {{recipe("fp16-o2"), {}}, {recipe("bf16-o2"), {}}}));
    cases.push_back(centring("a12-mean-overflow", "a mean written as sum / n over values near 100: the sum is infinite",
                             100, {{recipe("fp16-o2"), {"mean-overflow", "sum-overflow"}}}));
    cases.push_back(centring("a12-near", "the same mean of values near 10", 10, {{recipe("fp16-o2"), {}}}));
}

} // namespace halfscope::hazards
