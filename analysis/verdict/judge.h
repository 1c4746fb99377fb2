// The verdict: evidence weighed in the order outcome, update fidelity, range, trend.
//
// 1. A recipe whose loss is not finite for good while the twin's is finite is unsafe, however short the run.
// 2. No verdict where there is nothing to judge by: no twin, a twin that fails itself, fewer than `enough_steps`
// applied
//    steps, a run cut short before half of its steps.
// 3. Outcome bad (diverged, stalled, much worse), or a static loss scale that skips every step of the second half:
//    unsafe. Worse: risky; unsafe when the updates are broken as well, or when a detector names a cause and the gap is
//    a tenth or more.
//    The same where the finished model is (compare/finished_model.h): the loss in evaluation mode, or of the average
//    of weights, a tenth above the twin's and above what fp32 would have kept of the same training. Training does not
//    show it. At half of that: risky.
// 4. Outcome fine: safe, whatever the counters say. Risky when the updates are broken, or layers are frozen that are
//    a tenth of the model (the loss of a short run need not show it), when the updates lose a tenth or more and the
//    loss is consistently above the twin's batch by batch, though within the noise of seeds, or when activations grow
//    towards overflow or gradients shrink towards underflow within one more run length.
//    Two exceptions. A loss above the twin's batch by batch by a tenth with broken updates, or with a known cause and
//    updates or gradients that lose a tenth, or by a fifth with a known cause, is unsafe though seeds differ by more:
//    they start from other weights, this pair does not. A bad curve that only the loss in fp32 excuses is risky while
//    that reading is not precise enough to acquit; unsafe without masters, or with a known cause and updates or
//    gradients that lose a tenth.
//    A loss that was not finite in a step or two is risky.
// 5. Where the loss cannot show anything because the updates are too small to move it in so few steps (fine-tuning,
//    hazards N05 and U03), or because the recipe stores its loss too coarsely, fidelity decides alone. A twin that
//    takes large steps and learns nothing gives no verdict.
#pragma once

#include "analysis/detectors/detector.h"

#include <cstddef>
#include <string>
#include <vector>

namespace halfscope::analysis {

/// Applied steps below which a curve is no curve: two windows of five.
inline constexpr std::int64_t enough_steps = 10;
/// Steps from which "too short" no longer lowers the confidence.
inline constexpr std::int64_t plenty_of_steps = 50;
/// Weights that move by less than a tenth of their length in the whole run need not lower the loss visibly.
inline constexpr double small_journey = 0.1;

struct Judgement {
    Verdict verdict = Verdict::no_verdict;
    std::string headline;
    std::string confidence;
};

/// `findings` ranked, the likeliest cause first.
[[nodiscard]] Judgement judge(const Evidence &evidence, const TwinSoundness &twin, const std::vector<Finding> &findings,
                              std::size_t siblings);

/// By severity, then weight.
void rank(std::vector<Finding> &findings);

} // namespace halfscope::analysis
