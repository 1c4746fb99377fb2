// Layer overrides of a recipe, matched against a graph.
#pragma once

#include "emulation/model/graph.h"
#include "emulation/train/recipe/recipe.h"

#include <optional>
#include <regex>
#include <span>
#include <string>
#include <vector>

namespace halfscope::train {

/// ECMAScript; std::invalid_argument with one sentence when it is not a regular expression.
[[nodiscard]] std::regex compiled_pattern(const std::string &pattern);

class LayerPatterns {
  public:
    /// A pattern is searched in each node's name and in its outputs' layer. Throws std::invalid_argument when one
    /// matches nothing, naming the nearest layer.
    LayerPatterns(const model::Graph &forward, std::span<const LayerOverride> overrides);

    /// The format the last matching override asks for.
    [[nodiscard]] std::optional<ops::DType> format_of(model::NodeId node) const {
        return formats_[static_cast<std::size_t>(node)];
    }

  private:
    std::vector<std::optional<ops::DType>> formats_;
};

} // namespace halfscope::train
