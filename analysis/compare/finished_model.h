// Evidence 1, second part: what the finished model is worth in evaluation mode, with the running statistics and the
// average of weights that training left.
//
// A training loss sees neither: batch norms train on their batch's statistics, and an average is only kept beside. Both
// are read on the same samples as the fp32 twin's, and where the run kept them in 16 bits also as the same run would
// have left them in fp32 ("exact"): what exceeds that is theirs, whatever else happened to the weights.
//   * excess: by how much the loss is above the twin's, relative to the smaller of the twin's loss and what the twin
//     gained, as for the training loss (outcome.h).
//   * due: the same for own minus exact.
//   * bad: both at least much_worse_excess, and the gap to the twin above what fp32 runs with other seeds are apart, or
//     not finite where exact is.
#pragma once

#include "trace/io/reader.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace halfscope::analysis {

/// One loss of the finished model.
struct FinishedLoss {
    double own = 0, exact = 0, twin = 0;
    double excess = 0, due = 0;
    double noise = 0; ///< root mean square difference of other seeds' from the twin's; 0 without other seeds
    bool on_training_samples = false;

    [[nodiscard]] bool bad() const;
    /// Half of what bad() asks for.
    [[nodiscard]] bool visibly_worse() const;
    /// Both at least so much, and the gap above the noise.
    [[nodiscard]] bool worse_by(double part) const;
    /// "0.61 against 0.32 in fp32, and 0.33 had they been kept in fp32"; `they`: of what.
    [[nodiscard]] std::string in_words(std::string_view they) const;
};

struct FinishedModel {
    std::optional<FinishedLoss> statistics; ///< where running statistics were kept in 16 bits
    std::optional<FinishedLoss> average;    ///< where an average of weights was
};

/// `twin` may be null: then there is nothing to compare. `siblings`: evaluations of fp32 runs with other seeds.
[[nodiscard]] FinishedModel compare_finished(const trace::StoredRun &run, const trace::StoredRun *twin,
                                             std::span<const std::vector<trace::Evaluation>> siblings);

} // namespace halfscope::analysis
