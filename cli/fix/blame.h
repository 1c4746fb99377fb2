// From the evidence of a run to the changes that might cure it.
#pragma once

#include "analysis/verdict/assessment.h"
#include "cli/fix/change.h"

#include <optional>
#include <string>
#include <vector>

namespace halfscope::cli {

/// What the findings of an assessed run blame, as changes of the recipe that it ran, the likeliest first; a loss scale
/// comes first among equally severe ones. A finding on gradients' range asks for a loss scale, then for its layer; one
/// on updates or on optimizer state for master weights (with their state in fp32); any other for its layer in fp32.
/// Where no finding is more than information, the layers whose updates keep least of fp32's are blamed. `parts` are the
/// parts of the recipe, `layers` the layers that can still be kept in fp32; others are left out.
[[nodiscard]] std::vector<Change> blamed_changes(const analysis::RecipeAssessment &assessment,
                                                 const train::Recipe &recipe, const std::vector<Change> &parts,
                                                 const std::vector<std::string> &layers);

/// The loss scale to try beside the recipe's own: dynamic from the recommended scale of the window that the trace
/// leaves (static, where the recipe's is dynamic already). nullopt where a loss scale cannot help: not fp16, or no
/// window.
[[nodiscard]] std::optional<Change> loss_scale_change(const analysis::RecipeAssessment &assessment,
                                                      const train::Recipe &recipe);

/// `layers`, those first whose values overflow or whose updates keep least of fp32's.
[[nodiscard]] std::vector<Change> layers_by_blame(const analysis::RecipeAssessment &assessment,
                                                  const std::vector<std::string> &layers);

} // namespace halfscope::cli
