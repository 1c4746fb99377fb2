// Updates too small for the weights they are added to: hazards U01 to U04, U11, N05.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <cmath>

namespace halfscope::hazards {
namespace {

/// Hazard U02's least squares: d = 10, w* ~ U(0, 100), batch 1.
Case least_squares(std::string name, std::string imitates, double rate, std::int64_t steps, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {1, 10}), y = net.target("y", {1, 1});
        net.mse(net.linear(x, "linear", 1, 1), y, 0.5);
        return net.take();
    };
    std::vector<double> truth;
    Draw teacher(6);
    for (int i = 0; i < 10; ++i) truth.push_back(100 * teacher.uniform());
    made.sample = [truth](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(10);
        s[1] = {dot(truth, s[0]) + draw.normal(0.5)};
    };
    made.settings.optimizer.learning_rate = rate;
    made.settings.steps = steps;
    made.settings.trace_every = steps / 200;
    made.trials = std::move(trials);
    return made;
}

/// A classifier that starts from good weights and is tuned with a small learning rate to shifted data.
Case fine_tuning(std::string name, std::string imitates, double rate, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {32, 16});
        const ValueId h = net.relu(net.linear(x, "hidden", 32, 0.35, true), "relu");
        net.cross_entropy(net.linear(h, "classifier", 4, 0.35, true));
        return net.take();
    };
    Draw centre(7);
    std::vector<std::vector<double>> centres;
    for (int k = 0; k < 4; ++k) centres.push_back(centre.normals(16, 0.6));
    made.sample = [centres](Draw &draw, std::int64_t index, Sample &s) {
        const auto k = static_cast<std::size_t>(index % 4);
        s[0] = draw.normals(16);
        for (std::size_t i = 0; i < 16; ++i) s[0][i] += centres[k][i];
        s[1] = {static_cast<double>(k)};
    };
    made.settings.optimizer.kind = train::OptimizerKind::adamw;
    made.settings.optimizer.learning_rate = rate;
    made.settings.optimizer.weight_decay = 0;
    made.settings.steps = 300;
    made.trials = std::move(trials);
    return made;
}

} // namespace

void add_update_cases(std::vector<Case> &cases) {
    cases.push_back(least_squares("u02-no-master", "least squares with bf16 weights: the error floor is the spacing",
                                  0.01, 2000,
                                  {{recipe("bf16-pure"), {"lost-weight-updates", "coarse-output"}},
                                   {recipe("bf16-o2"), {"coarse-output"}},
                                   {recipe("bf16-pure-kahan"), {"coarse-output"}}}));
    cases.push_back(least_squares(
        "u01-no-master-small-steps",
        "the same with a tenth of the learning rate: fewer updates survive and both formats stop", 0.001, 8000,
        {{recipe("fp16-pure"), {"lost-weight-updates"}},
         {recipe("bf16-pure"), {"lost-weight-updates", "coarse-output"}},
         {recipe("fp16-o2", "static:16"), {}},
         {recipe("bf16-o2"), {"coarse-output"}}}));
    cases.push_back(fine_tuning("u03-small-rate", "fine-tuning at a small learning rate with 16-bit weights", 1e-4,
                                {{recipe("bf16-pure"), {"lost-weight-updates"}}}));
    cases.push_back(fine_tuning("n05-invisible-updates",
                                "the same with fp32 masters: 99 % of the bf16 weights do not change from step to step",
                                1e-4, {{recipe("bf16-o2"), {}}, {recipe("fp16-o2"), {}}}));
    cases.push_back(fine_tuning("n-bf16-pure-large-steps",
                                "bf16 weights without masters under steps large enough for their spacing", 1e-2,
                                {{recipe("bf16-pure"), {}}, {recipe("bf16-pure-kahan"), {}}}));
    cases.push_back(fine_tuning("n-stochastic-rounding", "small steps rounded stochastically: right on average", 1e-3,
                                {{recipe("bf16-pure-sr"), {}}, {recipe("bf16-pure-kahan"), {}}}));

    Case embedding;
    embedding.name = "u11-embedding-table";
    embedding.imitates = "an embedding table in bf16 whose rows are seen now and then, with a small learning rate";
    embedding.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId token = net.integers("token", {16}), y = net.target("y", {16, 4});
        const ValueId e = net.embedding(token, "table", 64, 16, 1);
        net.mse(net.linear(e, "output", 4, 0.25), y);
        return net.take();
    };
    embedding.sample = [](Draw &draw, std::int64_t, Sample &s) {
        s[0] = {static_cast<double>(draw.below(64))};
        Draw label(static_cast<std::uint64_t>(s[0][0]) + 9000);
        for (std::size_t i = 0; i < 4; ++i) s[1][i] = label.normal() + draw.normal(0.1);
    };
    embedding.settings.optimizer.learning_rate = 0.05;
    embedding.settings.steps = 1500;
    embedding.settings.trace_every = 5;
    embedding.trials = {{recipe("bf16-pure"), {"lost-weight-updates"}}, {recipe("bf16-o2"), {}}};
    cases.push_back(embedding);
}

} // namespace halfscope::hazards
