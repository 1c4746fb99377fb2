// Two runs side by side: another recipe, commit, device or data; what changed in verdicts, losses and layers.
#pragma once

#include "analysis/verdict/assessment.h"

#include <string>
#include <vector>

namespace halfscope::analysis {

/// A fact of the run (model, data, a setting, the machine) that differs. "" where a run does not have it.
struct FactChange {
    std::string name, before, after;
};

/// A figure of a layer that moved by least_change or more.
struct LayerChange {
    std::string layer, tensor; ///< tensor "" for a figure of the whole layer
    std::string figure;        ///< "underflow", "overflow", "lost", "update retained"
    double before = 0, after = 0;
};

/// One recipe of either run. The pointers are into the assessments.
struct RecipeChange {
    std::string name;
    const RecipeAssessment *before = nullptr, *after = nullptr; ///< null: the run does not have it
    std::vector<const Finding *> appeared, gone;                ///< by detector, layer and tensor
    std::vector<LayerChange> layers;                            ///< of what both have, the largest first

    /// A verdict in both, and the second is graver.
    [[nodiscard]] bool worse() const;
    [[nodiscard]] bool same_verdict() const;
};

struct RunDifference {
    std::vector<FactChange> facts;
    std::vector<RecipeChange> recipes; ///< those of the second run in its order, then those that only the first has
    double reference_before = 0, reference_after = 0; ///< the fp32 twins' final losses
    [[nodiscard]] bool worse() const;
};

/// Shares below a percentage point apart are told by another seed as well.
inline constexpr double least_change = 0.01;

/// The assessments must outlive the result.
[[nodiscard]] RunDifference difference_of(const Assessment &before, const Assessment &after);

} // namespace halfscope::analysis
