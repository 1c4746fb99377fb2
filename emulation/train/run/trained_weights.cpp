#include "emulation/train/run/trained_weights.h"

#include "emulation/train/lowering/layer_patterns.h"
#include "emulation/train/nearest_name.h"

#include <fmt/format.h>

#include <stdexcept>

namespace halfscope::train {

std::vector<model::ValueId> trained_weights(const model::Graph &graph, std::span<const std::string> freeze) {
    std::vector<model::ValueId> trained = graph.weights;
    for (const std::string &pattern : freeze) {
        const std::regex regex = compiled_pattern(pattern);
        const auto matches = [&](model::ValueId id) { return std::regex_search(graph.value(id).name, regex); };
        bool matched = std::erase_if(trained, matches) > 0;
        std::vector<std::string> names;
        for (const auto *ids : {&graph.weights, &graph.buffers})
            for (model::ValueId id : *ids) {
                matched = matched || matches(id);
                names.push_back(graph.value(id).name);
            }
        if (!matched)
            throw std::invalid_argument(
                fmt::format("freeze pattern '{}' matches no weight{}", pattern, did_you_mean(pattern, names)));
    }
    if (trained.empty())
        throw std::invalid_argument(graph.weights.empty() ? "the model has no weights to train"
                                                          : "the freeze patterns leave no weight to train");
    return trained;
}

} // namespace halfscope::train
