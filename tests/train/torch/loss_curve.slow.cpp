// Loss curves in fp32 against PyTorch's, from the same weights and batches (loss_curve.py). Without PyTorch: skipped.
#include "emulation/data/npz.h"
#include "emulation/data/synthetic.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/train/profile/data_demand.h"
#include "tests/train/small_models.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <sys/wait.h>
#include <unistd.h>

using namespace halfscope;
using namespace halfscope::train;

namespace {

constexpr int steps = 40;
constexpr std::int64_t batch = 8;

void write_case(const std::filesystem::path &directory, const char *name, const char *spec, bool adam, double rate) {
    model::Graph graph = model::build_zoo_model(spec, static_cast<int>(batch));
    model::attach_loss(graph, model::default_loss(graph).loss);
    const auto dataset = data::make_synthetic(demand_of(graph));
    TrainingSettings settings;
    settings.optimizer.kind = adam ? OptimizerKind::adam : OptimizerKind::sgd;
    settings.optimizer.learning_rate = rate;
    settings.optimizer.momentum = adam ? 0 : 0.9;
    settings.steps = steps;
    const auto backend = ops::make_cpu_backend(0);
    TrainingRun run(graph, recipe_named("fp32"), {}, settings, *backend, nullptr);

    std::vector<ops::HostTensor> tensors(graph.weights.size());
    std::vector<std::pair<std::string, ops::TensorView>> arrays;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        tensors[i] = *graph.value(graph.weights[i]).data;
        arrays.emplace_back("w:" + graph.value(graph.weights[i]).name, tensors[i].view());
    }
    const auto all_steps = [](const model::Value &value) {
        ops::Shape shape{steps};
        for (std::int64_t size : value.shape.sizes()) shape.append(size);
        return ops::HostTensor(value.dtype, shape);
    };
    ops::HostTensor x = all_steps(graph.value(graph.inputs[0])), y = all_steps(graph.value(graph.inputs[1]));
    ops::HostTensor losses(ops::DType::fp64, {steps});
    for (int step = 0; step < steps; ++step) {
        std::vector<std::int64_t> samples(static_cast<std::size_t>(batch));
        std::iota(samples.begin(), samples.end(), step * batch);
        const Batch tensor = dataset->batch(samples, data::Split::training);
        const auto at = static_cast<std::size_t>(step);
        std::memcpy(x.bytes.data() + at * tensor[0].bytes.size(), tensor[0].bytes.data(), tensor[0].bytes.size());
        std::memcpy(y.bytes.data() + at * tensor[1].bytes.size(), tensor[1].bytes.data(), tensor[1].bytes.size());
        losses.as<double>()[at] = run.step({&tensor, 1}, false, false).step.loss;
    }
    ops::HostTensor lr(ops::DType::fp64, {}), with_adam(ops::DType::fp64, {});
    lr.as<double>()[0] = rate;
    with_adam.as<double>()[0] = adam;
    arrays.emplace_back("batch", x.view());
    arrays.emplace_back("target", y.view());
    arrays.emplace_back("loss", losses.view());
    arrays.emplace_back("lr", lr.view());
    arrays.emplace_back("adam", with_adam.view());
    data::write_npz(directory / (std::string(name) + ".npz"), arrays);
}

} // namespace

TEST_CASE("fp32 loss curves are as near to fp64 as PyTorch's are") {
    const auto directory = std::filesystem::temp_directory_path() / ("halfscope_torch_" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory);
    write_case(directory, "mlp", "mlp:in=20,hidden=32,classes=5", false, 0.05);
    write_case(directory, "cnn", "cnn:size=12,width=8", false, 0.05);
    write_case(directory, "gpt", "gpt:layers=2,width=32,heads=2,seq=16,vocab=32", true, 1e-3);
    // Debian's PyTorch belongs to Debian's Python, whatever else is on the PATH.
    const char *chosen = std::getenv("HALFSCOPE_PYTHON");
    const std::string python = chosen ? chosen : "/usr/bin/python3";
    const auto script = std::filesystem::path(HALFSCOPE_TEST_FOLDER) / "loss_curve.py";
    const std::string command = "'" + python + "' '" + script.string() + "' '" + directory.string() + "'";
    const int status = std::system(command.c_str());
    std::filesystem::remove_all(directory);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code == 77 || code == 127) std::_Exit(77); // a visible skip
    CHECK(code == 0);
}
