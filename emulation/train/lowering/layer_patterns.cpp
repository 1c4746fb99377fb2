#include "emulation/train/lowering/layer_patterns.h"

#include "emulation/train/nearest_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace halfscope::train {

std::regex compiled_pattern(const std::string &pattern) {
    try {
        return std::regex(pattern, std::regex::ECMAScript);
    } catch (const std::regex_error &) {
        throw std::invalid_argument(fmt::format("'{}' is not a valid regular expression", pattern));
    }
}

namespace {

/// The pattern as the name that its author probably meant.
std::string without_syntax(std::string pattern) {
    std::erase_if(pattern, [](char c) { return c == '\\' || c == '^' || c == '$' || c == '(' || c == ')'; });
    return pattern;
}

} // namespace

LayerPatterns::LayerPatterns(const model::Graph &forward, std::span<const LayerOverride> overrides)
    : formats_(forward.nodes.size()) {
    for (const LayerOverride &override_ : overrides) {
        const std::regex regex = compiled_pattern(override_.pattern);
        bool matched = false;
        std::vector<std::string> layers;
        for (std::size_t i = 0; i < forward.nodes.size(); ++i) {
            const model::Node &node = forward.nodes[i];
            const std::string &layer = forward.value(node.outputs.front()).layer;
            if (layers.empty() || layers.back() != layer) layers.push_back(layer);
            if (!std::regex_search(node.name, regex) && !std::regex_search(layer, regex)) continue;
            formats_[i] = override_.format;
            matched = true;
        }
        if (matched) continue;
        const std::string name = without_syntax(override_.pattern);
        std::string hint = did_you_mean(name, layers);
        if (hint.empty() && !layers.empty()) {
            hint = fmt::format("; the nearest is '{}'", nearest_name(name, layers));
            layers.resize(std::min<std::size_t>(layers.size(), 8));
            hint += fmt::format(", the first are {}", fmt::join(layers, ", "));
        }
        throw std::invalid_argument(fmt::format("{}{}layer pattern '{}' matches no layer of the model{}",
                                                override_.where, override_.where.empty() ? "" : ": ", override_.pattern,
                                                hint));
    }
}

} // namespace halfscope::train
