// One recipe's standing and its sentence.
#pragma once

#include "analysis/convergence/convergence.h"

namespace halfscope::analysis {

/// Sets recipe.standing and recipe.sentence from its counts and comparisons, by the rules of convergence.h.
/// `margin_given`: the margin is the user's, and nothing below it matters.
void state(RecipeConvergence &recipe, const Convergence &convergence, bool margin_given);

} // namespace halfscope::analysis
