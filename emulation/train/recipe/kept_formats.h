// Formats of what a training step keeps adding to, as the command line or [train] sets them for every 16-bit recipe.
#pragma once

#include "emulation/train/recipe/recipe.h"

#include <map>
#include <optional>
#include <string>

namespace halfscope::train {

/// Empty where the recipes' own hold.
struct KeptFormats {
    std::optional<ops::DType> gradients, all_reduce, average, step_counter, running_statistics;
    std::optional<ReduceOrder> all_reduce_order;

    /// Takes what `other` says where this says nothing.
    void complete_with(const KeptFormats &other);
    /// The recipe with them; unchanged when everything in it is fp32. Throws as check() does.
    [[nodiscard]] Recipe in(Recipe recipe) const;
};

/// Those that are set, by their names on the command line without the dashes.
[[nodiscard]] std::map<std::string, std::string> described(const KeptFormats &kept);

/// "sum-first", "divide-first"; throws std::invalid_argument naming `what` otherwise.
[[nodiscard]] ReduceOrder reduce_order_named(std::string_view name, std::string_view what);

} // namespace halfscope::train
