// Losses written by hand in 16 bits: hazards T06, T08, T09, T10, T14, N07.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <cmath>

namespace halfscope::hazards {
namespace {

enum class Guard { none, tiny_eps, clamp, eps };

/// Binary cross-entropy of a sigmoid, written out; the targets are 0 or 1 and a few of them are wrong.
Case binary(std::string name, std::string imitates, Guard guard, double gain, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.model = [guard, gain](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {32, 8}), t = net.target("t", {32, 1});
        const ValueId h = net.relu(net.linear(x, "hidden", 16, 0.5, true), "relu");
        const ValueId z = net.scale(net.linear(h, "head", 1, 0.25, true), gain, "head.gain");
        ValueId p = net.apply(OpKind::sigmoid, {z}, "sigmoid", "sigmoid");
        if (guard == Guard::clamp) p = net.clip(p, 1e-6, 1 - 1e-6, "clamped");
        const double inside = guard == Guard::tiny_eps ? 1e-8 : guard == Guard::eps ? 1e-4 : 0;
        const auto log_of = [&](ValueId v, const std::string &at) {
            if (inside > 0) v = net.shift(v, inside, at + ".eps");
            return net.apply(OpKind::logarithm, {v}, at, "log");
        };
        const ValueId q = net.shift(net.scale(p, -1, "minus"), 1, "complement");
        const ValueId u = net.shift(net.scale(t, -1, "target.minus"), 1, "target.complement");
        const ValueId terms = net.add(net.multiply(t, log_of(p, "log_p"), "positive"),
                                      net.multiply(u, log_of(q, "log_q"), "negative"), "terms");
        net.own_loss(net.scale(net.mean_all(terms, "mean"), -1, "loss"));
        return net.take();
    };
    made.sample = [teacher = Draw(11).normals(8, 1.5)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(8);
        const bool positive = dot(teacher, s[0]) > 0;
        s[1] = {(draw.uniform() < 0.05) != positive ? 1.0 : 0.0};
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.steps = 200;
    made.trials = std::move(trials);
    return made;
}

/// A classifier whose logits all carry a large common offset.
Case offset_logits(std::string name, std::string imitates, double offset, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.model = [offset](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {32, 8});
        const ValueId h = net.relu(net.linear(x, "hidden", 32, 0.4, true), "relu");
        const ValueId logits = net.linear(h, "head", 8, 0.2, true);
        net.cross_entropy(net.shift(logits, offset, "head.offset"));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(8);
        // Soft labels: the class is drawn with probabilities that need fine logits.
        double best = -1e9;
        for (std::size_t k = 0; k < 8; ++k) {
            const double score = 1.2 * s[0][k] - std::log(-std::log(1 - draw.uniform() * (1 - 1e-12) - 1e-13));
            if (score > best) best = score, s[1] = {static_cast<double>(k)};
        }
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.01;
    made.settings.steps = 300;
    made.trials = std::move(trials);
    return made;
}

} // namespace

void add_loss_cases(std::vector<Case> &cases) {
    cases.push_back(binary("t06-bce-after-sigmoid", "binary cross-entropy of a sigmoid that is exactly 1", Guard::none,
                           2.5,
                           {{recipe("fp16-o2"), {"saturated-sigmoid", "nan-source"}},
                            {recipe("bf16-o2"), {"saturated-sigmoid", "nan-source"}}}));
    cases.push_back(binary("t08-log-eps", "log(p + 1e-8), where 1e-8 is zero in fp16", Guard::tiny_eps, 14,
                           {{recipe("fp16-o2"), {"log-of-lost-eps", "saturated-sigmoid", "nan-source"}}}));
    cases.push_back(binary("t09-clamp", "a probability clamped to 1 - 1e-6, which rounds to 1", Guard::clamp, 8,
                           {{recipe("fp16-o2"), {"clamp-rounds-to-one", "saturated-sigmoid", "nan-source"}},
                            {recipe("bf16-o2"), {"clamp-rounds-to-one", "saturated-sigmoid", "nan-source"}}}));
    cases.push_back(binary("t08-larger-eps", "the same loss with an eps of 1e-4", Guard::eps, 4,
                           {{recipe("fp16-o2"), {}}, {recipe("bf16-o2"), {}}}));
    cases.push_back(offset_logits("t10-coarse-logits",
                                  "logits that have drifted to 2000 in common, where bf16 knows every eighth number",
                                  2000, {{recipe("fp16-o2"), {}}, {recipe("bf16-o2"), {"coarse-logits"}}}));
    cases.push_back(offset_logits("n07-plain-logits", "logits of ordinary size in bf16", 0,
                                  {{recipe("fp16-amp"), {}}, {recipe("bf16-amp"), {}}}));

    Case normalise;
    normalise.name = "t14-normalize-eps";
    normalise.imitates = "x / (|x| + 1e-12) in fp16 on a row of zeros";
    normalise.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {32, 16}), y = net.target("y", {32, 1});
        const ValueId square = net.sum_last(net.power(x, 2, "unit.square"), "unit.sum");
        const ValueId length = net.shift(net.power(square, 0.5, "unit.length"), 1e-12, "unit.eps");
        const ValueId unit = net.apply(OpKind::divide, {x, length}, "unit", "div");
        net.mse(net.linear(net.relu(net.linear(unit, "hidden", 32, 0.7, true), "relu"), "head", 1, 0.2, true), y);
        return net.take();
    };
    normalise.sample = [teacher = Draw(12).normals(16, 0.5)](Draw &draw, std::int64_t index, Sample &s) {
        s[0] = draw.normals(16);
        if (index % 8 == 0) s[0].assign(16, 0.0);
        s[1] = {std::tanh(dot(teacher, s[0])) + draw.normal(0.1)};
    };
    normalise.settings.optimizer.learning_rate = 0.05;
    normalise.settings.steps = 200;
    normalise.settings.freeze = {};
    normalise.trials = {{recipe("fp16-o2"), {"norm-eps-lost", "nan-source"}}, {recipe("bf16-o2"), {}}};
    cases.push_back(normalise);
}

} // namespace halfscope::hazards
