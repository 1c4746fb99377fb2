#include "emulation/model/zoo/zoo.h"

#include "emulation/model/zoo/models.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <stdexcept>

namespace halfscope::model {
namespace {

using zoo::Parameter;

struct Model {
    std::string_view name, description, data;
    void (*build)(zoo::ModuleBuilder &, std::int64_t, const zoo::Parameters &);
    std::span<const Parameter> parameters;
};

constexpr std::int64_t many = 1 << 20;
constexpr std::array mlp_parameters{Parameter{"in", 784, 1, many}, Parameter{"hidden", 256, 1, many},
                                    Parameter{"depth", 2, 0, 1000}, Parameter{"classes", 10, 1, many}};
constexpr std::array cnn_parameters{Parameter{"channels", 1, 1, 4096}, Parameter{"size", 28, 4, 4096},
                                    Parameter{"width", 16, 1, 4096}, Parameter{"norm", 1, 0, 1},
                                    Parameter{"classes", 10, 1, many}};
constexpr std::array resnet20_parameters{Parameter{"size", 32, 4, 4096}, Parameter{"channels", 3, 1, 4096},
                                         Parameter{"classes", 10, 1, many}};
constexpr std::array gpt_parameters{Parameter{"layers", 2, 1, 1000},  Parameter{"width", 128, 1, many},
                                    Parameter{"heads", 4, 1, 4096},   Parameter{"seq", 64, 1, many},
                                    Parameter{"vocab", 256, 1, many}, Parameter{"tied", 1, 0, 1}};

constexpr std::array models{
    Model{"mlp", "linear layers with ReLU", "fashion-mnist", zoo::build_mlp, mlp_parameters},
    Model{"cnn", "small CNN: two convolutions with batch norm (norm=0: without), ReLU and pooling, one linear layer",
          "fashion-mnist", zoo::build_cnn, cnn_parameters},
    Model{"resnet20", "ResNet-20 for small images, batch norm in training mode, 0.27 million parameters",
          "fashion-mnist", zoo::build_resnet20, resnet20_parameters},
    Model{"gpt",
          "GPT-2 style decoder on bytes, causal attention, tanh GELU (tied=0: a head of its own); --data FILE trains "
          "on any text",
          "synthetic", zoo::build_gpt, gpt_parameters},
};

const Model &find_model(std::string_view name) {
    std::vector<std::string_view> names;
    for (const Model &model : models) {
        if (model.name == name) return model;
        names.push_back(model.name);
    }
    throw std::invalid_argument(
        fmt::format("the zoo has no model '{}', did you mean '{}'?", name, zoo::nearest(name, names)));
}

} // namespace

Graph build_zoo_model(std::string_view spec, int batch, std::uint64_t seed, const InputHints &hints) {
    constexpr std::string_view prefix = "zoo:";
    if (spec.starts_with(prefix)) spec.remove_prefix(prefix.size());
    const std::size_t colon = spec.find(':');
    const Model &model = find_model(spec.substr(0, colon));
    if (batch < 1) throw std::invalid_argument(fmt::format("a batch of {} samples cannot train '{}'", batch, spec));
    zoo::Parameters parameters(model.name, model.parameters);
    if (colon != std::string_view::npos) parameters.read(spec.substr(colon + 1));
    parameters.hint("channels", hints.channels);
    parameters.hint("size", hints.size);
    parameters.hint("classes", hints.classes);
    parameters.hint("vocab", hints.vocabulary);
    parameters.hint("in", hints.channels * hints.size * hints.size);
    Graph graph;
    graph.name = std::string(prefix) + std::string(spec);
    zoo::ModuleBuilder builder(graph, seed);
    model.build(builder, batch, parameters);
    return graph;
}

std::vector<ZooEntry> zoo_list() {
    std::vector<ZooEntry> entries;
    for (const Model &model : models) {
        ZooEntry entry{std::string(model.name), std::string(model.description), {}, std::string(model.data)};
        for (const Parameter &parameter : model.parameters)
            entry.parameters +=
                fmt::format("{}{}={}", entry.parameters.empty() ? "" : ",", parameter.name, parameter.value);
        entries.push_back(std::move(entry));
    }
    return entries;
}

} // namespace halfscope::model
