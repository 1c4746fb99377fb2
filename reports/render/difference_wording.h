// What the terminal and the page say of a difference, in the same words.
#pragma once

#include "analysis/compare/run_difference.h"

#include <string>

namespace halfscope::reports {

/// "safe → unsafe", "safe, as before", "only in out1: safe".
[[nodiscard]] std::string verdict_change(const analysis::RecipeChange &change, const std::string &before,
                                         const std::string &after);
/// "final loss 0.94 → 1.2, 4 → 0 steps skipped"; "" where only one run has the recipe.
[[nodiscard]] std::string outcome_change(const analysis::RecipeChange &change);
/// "`fc1.weight.grad` in fc1: underflow 0.2 % → 34 %".
[[nodiscard]] std::string layer_change(const analysis::LayerChange &change);
/// "gradient-underflow in fc1 (critical)".
[[nodiscard]] std::string finding_name(const analysis::Finding &finding);

} // namespace halfscope::reports
