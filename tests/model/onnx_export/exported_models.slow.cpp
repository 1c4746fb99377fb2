// Models that PyTorch exports here and now: they import, give PyTorch's outputs and gradients, and train.
//
// Judged by the three-way rule: against PyTorch's own result in fp64, ours in fp32 may be at most twice as far off as
// PyTorch's in fp32 is, plus what the roundings of so many operations amount to. Exit code 77 without PyTorch.
#include "emulation/model/autodiff/differentiate.h"
#include "emulation/model/loss_attachment.h"
#include "tests/model/onnx/model_builder.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

namespace halfscope::tests {
namespace {

namespace fs = std::filesystem;

const fs::path &exported_folder() {
    static const TemporaryFile anchor("", "anchor");
    static const fs::path folder = [] {
        const fs::path script = fs::path(HALFSCOPE_SOURCES) / "tests/model/onnx/export_models.py";
        const char *python = fs::exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
        const std::string command = fmt::format("{} '{}' '{}' 2>&1", python, script.string(), anchor.folder().string());
        const int status = std::system(command.c_str());
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            MESSAGE("PyTorch is not installed: skipped");
            std::exit(77);
        }
        if (status != 0) throw std::runtime_error("export_models.py failed");
        return anchor.folder();
    }();
    return folder;
}

struct Line {
    std::string name, mode, loss;
};

std::vector<Line> exported_models() {
    std::ifstream file(exported_folder() / "models.txt");
    std::vector<Line> lines;
    for (Line line; file >> line.name >> line.mode >> line.loss;) lines.push_back(line);
    return lines;
}

onnx::TensorProto load(const Line &line, const std::string &kind, const std::string &name) {
    std::ifstream stream(exported_folder() / line.name / fmt::format("{}_{}.pb", kind, name), std::ios::binary);
    onnx::TensorProto proto;
    if (!stream || !proto.ParseFromIstream(&stream)) throw std::runtime_error("no " + kind + " " + name);
    return proto;
}

std::vector<double> numbers(const onnx::TensorProto &proto) {
    const std::string &raw = proto.raw_data();
    const bool wide = proto.data_type() == onnx::TensorProto::DOUBLE;
    std::vector<double> out(raw.size() / (wide ? 8 : 4));
    for (std::size_t i = 0; i < out.size(); ++i) {
        float narrow = 0;
        if (wide)
            std::memcpy(&out[i], raw.data() + 8 * i, 8);
        else
            std::memcpy(&narrow, raw.data() + 4 * i, 4), out[i] = static_cast<double>(narrow);
    }
    return out;
}

/// Fills an input or target from its file; both are stored as the graph wants them.
void feed(Interpreter &interpreter, const model::Graph &graph, model::ValueId id, const Line &line) {
    const std::string &name = graph.value(id).name;
    ops::HostTensor &tensor = interpreter[id];
    const bool is_target = !fs::exists(exported_folder() / line.name / ("input_" + name + ".pb"));
    const std::string raw = load(line, is_target ? "target" : "input", name).raw_data();
    REQUIRE(raw.size() == tensor.bytes.size());
    std::memcpy(tensor.bytes.data(), raw.data(), raw.size());
}

double largest_difference(const std::vector<double> &a, const std::vector<double> &b) {
    REQUIRE(a.size() == b.size());
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (std::isnan(a[i]) != std::isnan(b[i])) return std::numeric_limits<double>::infinity();
        if (a[i] != b[i]) most = std::max(most, std::abs(a[i] - b[i]));
    }
    return most;
}

/// Twice the distance of PyTorch's own fp32 result and, because PyTorch may be nearly exact by luck, the expected size
/// of the errors of `operations` roundings one after another: they add like a random walk, sqrt(operations) * u
/// relative to the largest element (Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis, 2019).
double three_way_limit(const std::vector<double> &torch, const std::vector<double> &exact, std::size_t operations) {
    double largest = 0;
    for (double x : exact) largest = std::max(largest, std::abs(x));
    return 2 * largest_difference(torch, exact) + std::sqrt(static_cast<double>(operations)) * 0x1p-24 * largest;
}

void hold_against_torch(const Line &line, const std::string &kind, const std::string &name,
                        const std::vector<double> &ours, std::size_t operations) {
    const auto torch = numbers(load(line, kind, name)), exact = numbers(load(line, kind + "64", name));
    const double distance = largest_difference(ours, exact), limit = three_way_limit(torch, exact, operations);
    CAPTURE(line.name);
    CAPTURE(kind);
    CAPTURE(name);
    CHECK(distance <= limit);
}

model::Imported import_line(const Line &line, bool infer_training) {
    model::ImportOptions options;
    const bool vector = line.name.starts_with("mlp") || line.name.starts_with("routed");
    const bool image = line.name.starts_with("cnn") || line.name.starts_with("zoo");
    const bool volume = line.name.starts_with("volume");
    options.batch = load(line, "input", vector ? "x" : image ? "image" : volume ? "volume" : "tokens").dims(0);
    options.infer_training = infer_training;
    return model::import_onnx(exported_folder() / (line.name + ".onnx"), options);
}

std::vector<double> elements(Interpreter &interpreter, model::ValueId id) {
    std::vector<double> out(static_cast<std::size_t>(interpreter[id].shape.elements()));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = interpreter.at(id, i);
    return out;
}

TEST_CASE("onnx: exported models run to PyTorch's outputs") {
    const auto lines = exported_models();
    CHECK(lines.size() >= 20);
    for (const Line &line : lines) {
        const auto graph = import_line(line, false).graph;
        Interpreter interpreter(graph);
        for (model::ValueId id : graph.inputs) feed(interpreter, graph, id, line);
        interpreter.run(false);
        for (model::ValueId id : graph.outputs)
            hold_against_torch(line, "output", graph.value(id).name, elements(interpreter, id), graph.nodes.size());
    }
}

TEST_CASE("onnx: gradients of exported models are PyTorch's, parameter by parameter, under the user's names") {
    for (const Line &line : exported_models()) {
        if (line.mode != "train") continue;
        auto graph = import_line(line, true).graph;
        model::attach_loss(graph, line.loss);
        model::differentiate(graph);
        Interpreter interpreter(graph);
        for (model::ValueId id : graph.inputs) feed(interpreter, graph, id, line);
        interpreter.set_loss_scale(1);
        interpreter.run();
        std::size_t parameters = 0;
        for (const auto &entry : fs::directory_iterator(exported_folder() / line.name))
            parameters += entry.path().filename().string().starts_with("grad_");
        CAPTURE(line.name);
        CHECK(graph.weights.size() == parameters);
        for (std::size_t i = 0; i < graph.weights.size(); ++i) {
            REQUIRE(graph.weight_gradients[i] != model::none);
            hold_against_torch(line, "grad", graph.value(graph.weights[i]).name,
                               elements(interpreter, graph.weight_gradients[i]), graph.nodes.size());
        }
    }
}

TEST_CASE("onnx: exported models train, whichever way they were exported") {
    for (const Line &line : exported_models()) {
        auto graph = import_line(line, true).graph;
        model::attach_loss(graph, line.loss);
        model::differentiate(graph);
        Interpreter interpreter(graph);
        for (model::ValueId id : graph.inputs) feed(interpreter, graph, id, line);
        interpreter.set_loss_scale(1);
        constexpr float learning_rate = 0.1f;
        constexpr int steps = 12;
        std::vector<double> losses;
        for (int step = 0; step < steps; ++step) {
            interpreter.run();
            losses.push_back(interpreter.at(graph.loss, 0));
            interpreter.keep_statistics();
            for (std::size_t i = 0; i < graph.weights.size(); ++i) {
                const auto weight = interpreter[graph.weights[i]].as<float>();
                const auto gradient = interpreter[graph.weight_gradients[i]].as<float>();
                for (std::size_t e = 0; e < weight.size(); ++e) weight[e] -= learning_rate * gradient[e];
            }
        }
        CAPTURE(line.name);
        CAPTURE(losses.front());
        CAPTURE(losses.back());
        CHECK(std::isfinite(losses.back()));
        CHECK(losses.back() < losses.front());
    }
}

} // namespace
} // namespace halfscope::tests
