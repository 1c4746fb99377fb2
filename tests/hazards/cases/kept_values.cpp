// What a run keeps adding to in 16 bits: sums of gradients, averages of weights, step counters, running statistics.
// Hazards G12, G13, U05, U09, U12 and N15.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <cmath>

namespace halfscope::hazards {
namespace {

using ops::DType;

train::Recipe with(const std::string &base, const std::string &scale, const std::string &name,
                   const train::KeptFormats &kept) {
    return kept.in(recipe(base, scale, name));
}

/// A linear model whose output has to rise to `offset`: gradients of one sign, step after step.
Case rising(std::string name, std::string imitates, std::int64_t batch, double offset, std::vector<Trial> trials) {
    Case made = new_case(std::move(name), std::move(imitates), std::move(trials));
    made.model = [batch](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {batch, 4}), y = net.target("y", {batch, 1});
        net.mse(net.linear(x, "linear", 1, 0.25, true), y);
        return net.take();
    };
    made.sample = [offset, teacher = Draw(21).normals(4, 0.5)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(4);
        s[1] = {offset + dot(teacher, s[0]) + draw.normal(0.5)};
    };
    // The rate decays to nothing: where the run ends is where it stays.
    made.settings.cosine = true;
    return made;
}

void add_gradient_sums(std::vector<Case> &cases) {
    train::KeptFormats bf16, fp16;
    bf16.gradients = DType::bf16;
    fp16.gradients = DType::fp16;
    const auto sums = [&](std::string name, std::string imitates, int micro_batches, double rate, std::int64_t steps,
                          std::vector<std::string> causes) {
        Case made = rising(std::move(name), std::move(imitates), 1, 30,
                           {{with("bf16-amp", {}, "bf16-amp bf16 sums", bf16), std::move(causes)},
                            {with("fp16-amp", "torch:init=64", "fp16-amp fp16 sums", fp16), {}}});
        made.settings.micro_batches = micro_batches;
        made.settings.optimizer.learning_rate = rate;
        made.settings.steps = steps;
        made.settings.trace_every = steps / 15;
        made.long_factor = 2;
        return made;
    };
    cases.push_back(
        sums("g13-many-micro-batches",
             "512 micro-batches whose gradients point the same way, added up in bf16: the sum stops halfway", 512, 0.06,
             30, {"gradient-accumulation-16bit"}));
    cases.push_back(sums("n15-few-micro-batches",
                         "16 micro-batches of the same problem: their bf16 sum is right to its "
                         "last bits",
                         16, 0.01, 300, {}));

    train::KeptFormats sum_first, divide_first;
    sum_first.all_reduce = divide_first.all_reduce = DType::fp16;
    divide_first.all_reduce_order = train::ReduceOrder::divide_first;
    Case ranks = rising("g12-sum-over-ranks",
                        "16 ranks add their scaled gradients up in fp16 and divide afterwards: each is finite, the sum "
                        "is not",
                        16, 20,
                        {{with("fp16-amp", "static:1024", "fp16-amp sum first", sum_first), {"all-reduce-overflow"}},
                         {with("fp16-amp", "static:1024", "fp16-amp divide first", divide_first), {}},
                         {with("fp16-amp", {}, "fp16-amp sum first, dynamic", sum_first), {}}});
    ranks.settings.ranks = 16;
    ranks.settings.optimizer.learning_rate = 0.05;
    ranks.settings.steps = 120;
    ranks.settings.trace_every = 4;
    ranks.long_factor = 3;
    cases.push_back(ranks);
}

void add_averages(std::vector<Case> &cases) {
    train::KeptFormats bf16, fp16;
    bf16.average = DType::bf16;
    fp16.average = DType::fp16;
    const auto averaged = [&](std::string name, std::string imitates, double decay, std::vector<Trial> trials) {
        Case made = new_case(std::move(name), std::move(imitates), std::move(trials));
        made.model = [](std::uint64_t seed) {
            Network net(seed);
            const ValueId x = net.input("x", {16, 8}), y = net.target("y", {16, 1});
            const ValueId h = net.apply(OpKind::tanh, {net.linear(x, "hidden", 16, 0.5, true)}, "tanh", "tanh");
            net.mse(net.linear(h, "output", 1, 0.25, true), y);
            return net.take();
        };
        made.sample = [teacher = Draw(22).normals(8, 0.5)](Draw &draw, std::int64_t, Sample &s) {
            s[0] = draw.normals(8);
            s[1] = {1.5 * std::tanh(dot(teacher, s[0])) + draw.normal(0.2)};
        };
        made.settings.optimizer.kind = train::OptimizerKind::adam;
        made.settings.optimizer.learning_rate = 0.01;
        made.settings.ema_decay = decay;
        made.settings.steps = 800;
        made.settings.trace_every = 8;
        made.long_factor = 3;
        made.metric = Metric::held_out_loss;
        return made;
    };
    cases.push_back(averaged(
        "u05-stuck-average",
        "an average of the weights with decay 0.998, kept in bf16 beside fp32 weights: it stays "
        "where it began",
        0.998, {{with("bf16-amp", {}, "bf16-amp bf16 average", bf16), {"stuck-ema"}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(averaged("n-short-average",
                             "the same average with decay 0.9, which takes a tenth of the way each time: near enough "
                             "even in bf16",
                             0.9,
                             {{with("bf16-amp", {}, "bf16-amp bf16 average", bf16), {}},
                              {with("fp16-amp", {}, "fp16-amp fp16 average", fp16), {}}}));
}

void add_step_counters(std::vector<Case> &cases) {
    train::KeptFormats bf16, fp16;
    bf16.step_counter = DType::bf16;
    fp16.step_counter = DType::fp16;
    const auto counted = [&](std::string name, std::string imitates, double beta2, std::vector<Trial> trials) {
        Case made = rising(std::move(name), std::move(imitates), 16, 4, std::move(trials));
        made.settings.optimizer.kind = train::OptimizerKind::adam;
        made.settings.optimizer.learning_rate = 0.008;
        made.settings.optimizer.beta2 = beta2;
        made.settings.steps = 1000;
        made.settings.trace_every = 10;
        made.long_factor = 1; // the schedule is over
        return made;
    };
    cases.push_back(counted("u09-stuck-step-counter",
                            "Adam counts its steps in bf16: at 256 its bias correction stops, and steps stay short "
                            "until the schedule ends",
                            0.9999,
                            {{with("bf16-amp", {}, "bf16-amp bf16 counter", bf16), {"stuck-step-counter"}},
                             {with("fp16-amp", {}, "fp16-amp fp16 counter", fp16), {}}}));
    cases.push_back(counted("n-step-counter",
                            "the same counter with beta2 = 0.98, whose correction has run its course long before 256",
                            0.98, {{with("bf16-amp", {}, "bf16-amp bf16 counter", bf16), {}}}));
}

void add_running_statistics(std::vector<Case> &cases) {
    train::KeptFormats bf16;
    bf16.running_statistics = DType::bf16;
    const auto normalised = [&](std::string name, std::string imitates, double offset, std::vector<Trial> trials) {
        Case made = new_case(std::move(name), std::move(imitates), std::move(trials));
        made.model = [](std::uint64_t seed) {
            Network net(seed);
            const ValueId x = net.input("x", {32, 8});
            const ValueId h = net.modules().batch_norm(net.linear(x, "hidden", 16, 0.35), "norm");
            std::get<ops::Normalization>(net.graph().nodes.back().operation.attributes).momentum = 0.03;
            net.cross_entropy(net.linear(net.relu(h, "relu"), "classifier", 4, 0.35, true));
            return net.take();
        };
        std::vector<std::vector<double>> centres;
        Draw centre(23);
        for (int k = 0; k < 4; ++k) centres.push_back(centre.normals(8, 0.8));
        made.sample = [offset, centres](Draw &draw, std::int64_t index, Sample &s) {
            const auto k = static_cast<std::size_t>(index % 4);
            s[0] = draw.normals(8);
            for (std::size_t i = 0; i < 8; ++i) s[0][i] += offset + centres[k][i];
            s[1] = {static_cast<double>(k)};
        };
        made.settings.optimizer.learning_rate = 0.02;
        made.settings.steps = 400;
        made.settings.trace_every = 8;
        made.long_factor = 3;
        made.metric = Metric::held_out_loss;
        return made;
    };
    cases.push_back(normalised(
        "u12-running-statistics",
        "features far from zero and a momentum of 0.03: a running mean in bf16 stops deviations short, which only "
        "evaluation sees",
        20,
        {{with("bf16-amp", {}, "bf16-amp bf16 statistics", bf16), {"running-statistics"}}, {recipe("bf16-amp"), {}}}));
    cases.push_back(normalised("n-running-statistics",
                               "the same statistics of features around zero: a few parts in a hundred of little", 0,
                               {{with("bf16-amp", {}, "bf16-amp bf16 statistics", bf16), {}}}));
}

} // namespace

void add_kept_value_cases(std::vector<Case> &cases) {
    add_gradient_sums(cases);
    add_averages(cases);
    add_step_counters(cases);
    add_running_statistics(cases);
}

} // namespace halfscope::hazards
