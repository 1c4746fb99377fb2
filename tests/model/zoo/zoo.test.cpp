#include "emulation/model/zoo/zoo.h"

#include "emulation/model/autodiff/differentiate.h"
#include "emulation/model/initialization.h"
#include "emulation/model/loss_attachment.h"
#include "tests/model/interpreter.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace halfscope;
using namespace halfscope::model;
using halfscope::tests::Interpreter;

namespace {

std::int64_t parameters(const Graph &graph) {
    std::int64_t count = 0;
    for (ValueId id : graph.weights) count += graph.value(id).shape.elements();
    return count;
}

Graph with_loss(std::string_view spec, int batch, std::uint64_t seed = 0) {
    Graph graph = build_zoo_model(spec, batch, seed);
    attach_loss(graph, default_loss(graph).loss);
    differentiate(graph);
    return graph;
}

std::int64_t classes_of(const Graph &graph) {
    const ops::Shape &logits = graph.value(graph.outputs.front()).shape;
    return logits[logits.rank() - 1];
}

/// Inputs from N(0, 1); token inputs and targets uniform. The standard library's generator: not the product's.
void feed(Interpreter &machine, const Graph &graph, unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::uniform_int_distribution<std::int64_t> label(0, classes_of(graph) - 1);
    for (ValueId id : graph.inputs) {
        ops::HostTensor &tensor = machine[id];
        if (tensor.dtype == ops::DType::int64)
            for (auto &x : tensor.as<std::int64_t>()) x = label(generator);
        else
            for (auto &x : tensor.as<float>()) x = normal(generator);
    }
}

double loss(Interpreter &machine, const Graph &graph) { return machine.at(graph.loss, 0); }

/// Plain SGD on one batch, outside the product's optimizer.
double train_one_batch(const Graph &graph, int steps, float learning_rate) {
    Interpreter machine(graph);
    feed(machine, graph, 1);
    machine.set_loss_scale(1);
    for (int step = 0; step < steps; ++step) {
        machine.run();
        machine.keep_statistics();
        for (std::size_t w = 0; w < graph.weights.size(); ++w) {
            if (graph.weight_gradients[w] == none) continue;
            const auto weight = machine[graph.weights[w]].as<float>();
            const auto gradient = machine[graph.weight_gradients[w]].as<float>();
            for (std::size_t i = 0; i < weight.size(); ++i) weight[i] -= learning_rate * gradient[i];
        }
    }
    machine.run(false);
    return loss(machine, graph);
}

std::string message(std::string_view spec) {
    try {
        (void)build_zoo_model(spec, 2);
    } catch (const std::invalid_argument &error) {
        return error.what();
    }
    return {};
}

struct Small {
    std::string spec;
    float learning_rate;
};
/// GPT's weights start at 0.02: plain SGD needs larger steps.
const std::vector<Small> small_models{
    {"mlp:in=20,hidden=16,depth=2,classes=5", 0.1f},    {"cnn:size=8,width=4,classes=5", 0.1f},
    {"cnn:size=8,width=4,classes=5,norm=0", 0.1f},      {"resnet20:size=4,channels=1,classes=5", 0.1f},
    {"gpt:layers=2,width=16,heads=2,seq=8,vocab=5", 1}, {"gpt:layers=1,width=16,heads=4,seq=8,vocab=5,tied=0", 1}};

} // namespace

TEST_CASE("parameter counts are those of the architectures") {
    CHECK(parameters(build_zoo_model("mlp", 2)) == 784 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10);
    // Convolutions of the paper's network (He et al. 2015, 6n+2 layers, n = 3), batch norms, the linear layer, and the
    // two 1x1 shortcuts with their batch norms.
    const std::int64_t convolutions = 9 * (3 * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64);
    const std::int64_t norms = 2 * (7 * 16 + 6 * 32 + 6 * 64), head = 64 * 10 + 10;
    const std::int64_t shortcuts = 16 * 32 + 32 * 64 + 2 * (32 + 64);
    CHECK(parameters(build_zoo_model("resnet20", 2)) == convolutions + norms + head + shortcuts);
    CHECK(parameters(build_zoo_model("resnet20", 2)) == 272474);
    // 12 L d^2 + 13 L d (blocks), (V + T) d (embeddings), 2 d (last norm).
    CHECK(parameters(build_zoo_model("gpt", 2)) == 12 * 2 * 128 * 128 + 13 * 2 * 128 + (256 + 64) * 128 + 2 * 128);
    CHECK(parameters(build_zoo_model("gpt:tied=0", 2)) - parameters(build_zoo_model("gpt", 2)) == 256 * 128);
    CHECK(parameters(build_zoo_model("cnn", 2)) == 16 * 9 + 2 * 16 + 32 * 16 * 9 + 2 * 32 + 32 * 7 * 7 * 10 + 10);
}

TEST_CASE("inputs and outputs follow the parameters and the data's hints") {
    const auto input = [](const Graph &graph) { return graph.value(graph.inputs.front()).shape; };
    const auto output = [](const Graph &graph) { return graph.value(graph.outputs.front()).shape; };
    const InputHints photos{3, 40, 7, 0};
    CHECK(input(build_zoo_model("zoo:cnn", 4)) == ops::Shape{4, 1, 28, 28});
    CHECK(input(build_zoo_model("cnn", 4, 0, photos)) == ops::Shape{4, 3, 40, 40});
    CHECK(output(build_zoo_model("cnn", 4, 0, photos)) == ops::Shape{4, 7});
    CHECK(input(build_zoo_model("resnet20:size=20", 4, 0, photos)) == ops::Shape{4, 3, 20, 20});
    CHECK(input(build_zoo_model("mlp", 4, 0, photos)) == ops::Shape{4, 3 * 40 * 40});
    CHECK(output(build_zoo_model("gpt:seq=16,vocab=50", 3)) == ops::Shape{3, 16, 50});
    CHECK(output(build_zoo_model("gpt:seq=16", 3, 0, {0, 0, 0, 90})) == ops::Shape{3, 16, 90});
}

TEST_CASE("weights have PyTorch's names, layers and policies") {
    const Graph graph = with_loss("resnet20:size=8", 2);
    const ValueId weight = graph.find("layer2.0.downsample.0.weight");
    REQUIRE(weight != none);
    CHECK(graph.value(weight).layer == "layer2.0.downsample.0");
    CHECK(graph.value(graph.find("layer2.0.downsample.0.weight.grad")).layer == "layer2.0.downsample.0");
    CHECK(graph.find("layer1.2.bn2.running_var") != none);
    const Graph gpt = build_zoo_model("gpt", 2);
    CHECK(gpt.find("transformer.h.1.attn.c_attn.weight") != none);
    CHECK(gpt.find("transformer.wte.weight") != none);
    std::set<std::string> names;
    for (const Value &value : graph.values) CHECK(names.insert(value.name).second);
    std::set<std::string> policies;
    for (const Node &node : graph.nodes) policies.insert(node.policy);
    for (const char *policy :
         {"conv2d", "batch_norm", "relu", "add", "adaptive_avg_pool2d", "linear", "log_softmax", "nll_loss"})
        CHECK(policies.contains(policy));
}

TEST_CASE("initial weights are PyTorch's distributions and depend on the seed alone") {
    const Graph graph = build_zoo_model("mlp", 2, 3);
    const auto weight = graph.value(graph.find("layers.0.weight")).data->as<float>();
    const float bound = default_bound(784);
    CHECK(bound == 1.0f / 28);
    CHECK(*std::ranges::max_element(weight) < bound);
    CHECK(*std::ranges::min_element(weight) >= -bound);
    double sum = 0, squares = 0;
    for (float x : weight) sum += static_cast<double>(x), squares += static_cast<double>(x) * static_cast<double>(x);
    const auto n = static_cast<double>(weight.size());
    // Uniform on [-b, b): variance b^2/3, so the mean of n draws has deviation b / sqrt(3n); six of them. The mean of
    // squares has deviation b^2 sqrt(4/45) / sqrt(n).
    const double b = static_cast<double>(bound);
    CHECK(std::abs(sum / n) < 6 * b / std::sqrt(3 * n));
    CHECK(std::abs(squares / n - b * b / 3) < 6 * b * b * std::sqrt(4.0 / 45) / std::sqrt(n));
    const auto same = [&](std::uint64_t seed) {
        return build_zoo_model("mlp", 7, seed).value(graph.find("layers.0.weight")).data->bytes ==
               graph.value(graph.find("layers.0.weight")).data->bytes;
    };
    CHECK(same(3));
    CHECK_FALSE(same(4));
    CHECK(graph.value(graph.find("layers.0.bias")).data->as<float>()[0] != weight[0]);
}

TEST_CASE("every layer's weights and biases fill the range that its fan-in sets") {
    const auto reach = [](const Graph &graph, const std::string &name) {
        const ValueId id = graph.find(name);
        REQUIRE(id != none);
        float largest = 0;
        for (float x : graph.value(id).data->as<float>()) largest = std::max(largest, std::abs(x));
        return largest;
    };
    // The largest of n draws from [0, b) is above b * 2^(-20 / n) but once in 2^20: 0.75 b for 48 draws, 0.25 b for 10.
    const Graph cnn = build_zoo_model("cnn:norm=0,width=24", 2);
    struct FanIn {
        std::string layer;
        int fan_in;
    };
    for (const FanIn &one : {FanIn{"conv1", 1 * 9}, {"conv2", 24 * 9}, {"fc", 48 * 49}}) {
        const std::string &layer = one.layer;
        CAPTURE(layer);
        const float bound = default_bound(one.fan_in);
        CHECK(reach(cnn, layer + ".weight") <= bound);
        CHECK(reach(cnn, layer + ".weight") > 0.75f * bound);
        CHECK(reach(cnn, layer + ".bias") <= bound);
        CHECK(reach(cnn, layer + ".bias") > 0.25f * bound);
    }
    // GPT-2: biases 0, norms 1, weights within 5.77 deviations of 0 (the reach of the normal draws).
    const Graph gpt = build_zoo_model("gpt:layers=3", 2);
    CHECK(reach(gpt, "transformer.h.0.attn.c_attn.bias") == 0);
    CHECK(reach(gpt, "transformer.h.0.attn.c_attn.weight") < 5.8f * 0.02f);
    CHECK(reach(gpt, "transformer.h.0.attn.c_attn.weight") > 3 * 0.02f);
    CHECK(reach(gpt, "transformer.h.2.mlp.c_proj.weight") < 5.8f * 0.02f / std::sqrt(6.0f));
    CHECK(reach(gpt, "transformer.h.2.mlp.c_proj.weight") > 3 * 0.02f / std::sqrt(6.0f));
}

TEST_CASE("a wrong name gets one sentence with the nearest right one") {
    CHECK(message("resnet200") == "the zoo has no model 'resnet200', did you mean 'resnet20'?");
    CHECK(message("gpt:layer=2") == "zoo model 'gpt': it has no parameter 'layer', did you mean 'layers'?");
    CHECK(message("gpt:layers=two").find("'layers' must be a whole number from 1 to 1000, not 'two'") !=
          std::string::npos);
    CHECK(message("gpt:layers").find("not of the form") != std::string::npos);
    CHECK(message("gpt:width=10,heads=4").find("not a multiple") != std::string::npos);
    CHECK(message("mlp:in=0") != "");
    CHECK_THROWS_AS((void)build_zoo_model("mlp", 0), std::invalid_argument);
    for (const ZooEntry &entry : zoo_list()) {
        CHECK_FALSE(entry.description.empty());
        CHECK(message(entry.name + ":" + entry.parameters) == "");
    }
    CHECK(zoo_list().size() == 4);
}

TEST_CASE("an untrained model guesses: the loss starts near ln(classes)") {
    for (const Small &small : small_models) {
        CAPTURE(small.spec);
        const Graph graph = with_loss(small.spec, 16);
        Interpreter machine(graph);
        feed(machine, graph, 2);
        machine.run(false);
        const double guess = std::log(static_cast<double>(classes_of(graph)));
        // Logits of variance v add about v / 2 (the mean of exp over N(0, v)); default initialisation keeps v below 1.
        CHECK(loss(machine, graph) > 0.75 * guess);
        CHECK(loss(machine, graph) < guess + 0.5);
    }
}

TEST_CASE("twenty steps on one batch lower the loss") {
    for (const Small &small : small_models) {
        CAPTURE(small.spec);
        const Graph graph = with_loss(small.spec, 8);
        const double before = train_one_batch(graph, 0, 0), after = train_one_batch(graph, 20, small.learning_rate);
        CHECK(after < 0.9 * before);
    }
}
