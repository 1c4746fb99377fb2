// The optimizer steps beside PyTorch's torch.optim. Needs Debian's python3-torch; without it the program is skipped.
#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <sys/wait.h>

using namespace halfscope;
using namespace halfscope::test;

namespace {

constexpr std::int64_t count = 257;
constexpr int steps = 50;

struct Trajectory {
    std::vector<double> before, gradients, after;
};

Trajectory pytorch(const std::string &arguments) {
    const auto script = std::filesystem::path(HALFSCOPE_TEST_FOLDER) / "pytorch_optimizer.py";
    const std::string command = "/usr/bin/python3 " + script.string() + " " + arguments;
    std::FILE *pipe = popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::vector<double> all(static_cast<std::size_t>((steps + 2) * count));
    const std::size_t read = std::fread(all.data(), sizeof(double), all.size(), pipe);
    const int status = pclose(pipe);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127)) {
        std::cout << "skipped: /usr/bin/python3 with PyTorch is needed (apt install python3-torch)\n" << std::flush;
        std::_Exit(77);
    }
    REQUIRE(status == 0);
    REQUIRE(read == all.size());
    return {
        {all.begin(), all.begin() + count}, {all.begin() + count, all.end() - count}, {all.end() - count, all.end()}};
}

struct Settings {
    std::string name, options;
    ops::OptimizerStep step;
};

std::vector<Settings> settings() {
    std::vector<Settings> all;
    const auto sgd = [&](double momentum, double dampening, double decay, bool nesterov) {
        ops::OptimizerStep step;
        step.learning_rate = 0.1;
        step.momentum = momentum;
        step.dampening = dampening;
        step.weight_decay = decay;
        step.nesterov = nesterov;
        all.push_back({"sgd",
                       " lr=0.1 momentum=" + std::to_string(momentum) + " dampening=" + std::to_string(dampening) +
                           " weight_decay=" + std::to_string(decay) + " nesterov=" + (nesterov ? "1" : "0"),
                       step});
    };
    sgd(0, 0, 0, false);
    sgd(0, 0, 0.01, false);
    sgd(0.9, 0, 0.01, false);
    sgd(0.9, 0.25, 0, false);
    sgd(0.9, 0, 0.01, true);
    for (const std::string name : {"adam", "adamw"})
        for (double decay : {0.0, 0.125}) {
            ops::OptimizerStep step;
            step.learning_rate = 0.01;
            step.beta1 = 0.875;
            step.beta2 = 0.99;
            step.epsilon = 1e-6;
            step.weight_decay = decay;
            step.decoupled_weight_decay = name == "adamw";
            all.push_back(
                {name, " lr=0.01 beta1=0.875 beta2=0.99 eps=1e-6 weight_decay=" + std::to_string(decay), step});
        }
    return all;
}

std::vector<double> ours(const Settings &setting, DType dtype, const Trajectory &given) {
    const Shape shape{count};
    const bool adam = setting.name != "sgd";
    HostTensor w = tensor(dtype, shape, given.before);
    std::vector<HostTensor> states(adam ? 2 : setting.step.momentum != 0 ? 1 : 0, HostTensor(dtype, shape));
    ops::OptimizerStep step = setting.step;
    for (int t = 0; t < steps; ++t, ++step.step) {
        std::vector<HostTensor> inputs{
            w, tensor(dtype, shape, {given.gradients.begin() + t * count, given.gradients.begin() + (t + 1) * count})};
        inputs.insert(inputs.end(), states.begin(), states.end());
        const auto outcome = run(operation(adam ? OpKind::adam_step : OpKind::sgd_step, step), inputs,
                                 std::vector<OutputOf>(1 + states.size(), {dtype, shape}));
        w = outcome.outputs[0];
        for (std::size_t i = 0; i < states.size(); ++i) states[i] = outcome.outputs[i + 1];
    }
    return values(w);
}

/// 50 steps of about 16 roundings each of weights below 4 and updates below 1; a momentum of 0.9 keeps each error for
/// ten steps. Both programs err, so twice.
double agreement(DType dtype) { return 2 * steps * steps_error(16, dtype) * (4 + 10 * 0.1); }

} // namespace

TEST_CASE("50 steps of SGD, Adam and AdamW end where torch.optim's end") {
    for (const Settings &setting : settings())
        for (DType dtype : {DType::fp64, DType::fp32}) {
            CAPTURE(setting.name + setting.options);
            const auto given =
                pytorch(setting.name + (dtype == DType::fp64 ? " float64" : " float32") + setting.options);
            const auto found = ours(setting, dtype, given);
            double worst = 0, moved = 0;
            for (std::size_t i = 0; i < found.size(); ++i) {
                keep_worst(worst, std::fabs(found[i] - given.after[i]));
                moved = std::max(moved, std::fabs(given.after[i] - given.before[i]));
            }
            CHECK(worst <= agreement(dtype));
            CHECK(moved > 100 * agreement(dtype)); // a wrong step would show
        }
}
