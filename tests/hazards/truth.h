// The truth about a trial: decided by training long under three seeds and by the final loss alone. The judge is not
// asked.
//
// Per seed the recipe is paired with its fp32 twin (same weights, same data, same order); d is the difference of their
// final losses over the last eighth of the steps, the excess d over the smaller of what the twin's loss ended at and
// what it had gained. The recipe's final loss is read twice: by its own forward pass, as a log would show it, and by
// fp32 from the weights it made (masters where there are masters). A trial is
//   unsafe   when at least two seeds end without a finite loss, or the weights' loss in fp32 has a mean excess of at
//            least 0.10, the mean of d being beyond two of its standard errors and above the spread that fp32 itself
//            shows over the seeds;
//   fine     when every seed ends finite and both readings have a mean excess of at most 0.05, or d is within a tenth
//            of that spread;
//   misread  when the weights are fine but the recipe's own reading is worse by 0.10 or more: its forward pass is too
//            coarse, its training is not;
//   unclear  else: such a case is of no use and is not kept.
#pragma once

#include "tests/hazards/case.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace halfscope::hazards {

struct Truth {
    std::string verdict; ///< "unsafe", "fine", "misread" or "unclear"
    std::int64_t steps = 0;
    double excess = 0, own_excess = 0; ///< mean over the seeds: of the weights' loss in fp32; of the recipe's own loss
    std::vector<double> twin_final, final, own_final; ///< per seed: the twin, the weights in fp32, the recipe's own
    double first_loss = 0;                            ///< of the twin under the first seed: which case this belongs to
};

/// Trains `tried` long; one truth per trial.
[[nodiscard]] std::vector<Truth> establish(const Case &tried);

/// Keyed by "case recipe".
using TruthTable = std::map<std::string, Truth>;
[[nodiscard]] std::string key_of(const Case &tried, const Trial &trial);
/// Throws std::runtime_error naming the file and line.
[[nodiscard]] TruthTable read_truth(const std::filesystem::path &file);
/// In the order of `cases`; rows of no case are dropped.
void write_truth(const std::filesystem::path &file, const TruthTable &table, const std::vector<Case> &cases);

} // namespace halfscope::hazards
