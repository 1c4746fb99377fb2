// Evidence 1: the recipe's loss curve against the fp32 twin's.
//
// Both runs share seed and data order, so curves are compared step by step over the steps both have.
//   * final loss: mean over the last eighth (loss_curve.h). Steps that a dynamic scaler skipped put the recipe behind
//   by
//     as many steps without harm (hazard N03), so it is held against the twin that many steps earlier.
//   * noise: what two runs that differ in nothing but luck differ by. From sibling runs (fp32, another seed): the root
//     of 2 times their spread around the twin; never less than the twin's own step-to-step variation allows for the
//     difference of two window means, sqrt(2) s / sqrt(window). A difference is real beyond 3 of these.
//   * a real difference must also matter: `behind`, the share of the run ago at which the twin had already reached the
//     recipe's final loss (a recipe 50 % behind wasted half of its steps), and the excess relative to the smaller of
//     the twin's progress and its remaining loss (a least-squares run falls by 5 decades and ends 10 times above the
//     floor: its progress looks perfect, its floor does not; hazard U02).
//   * the recipe's own loss is read through its own forward pass, which rounds (weights near 50 in bf16 are a quarter
//     apart; a loss of 5e-8 in fp16 is 0 or 6e-8). Where the trace has the loss of the same weights and batches in fp32
//     (Step::loss_in_fp32), a bad or unreadable curve is read again from it: the weights are what training makes. The
//     second reading counts only when it is telling: surely less than half of the gap that the curve shows, or, where
//     the curve shows nothing, precise to a sixth of what there is to see.
//   * a loss that is not finite again and again (three steps of the second half, the twin's being finite) is
//     divergence even when steps between are finite: a scaler that skips such steps hides them, it does not cure them.
//     One or two are left out of the curve and remembered.
#pragma once

#include "analysis/compare/twin_soundness.h"
#include "analysis/verdict/assessment.h"
#include "emulation/number/format.h"

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace halfscope::analysis {

enum class Standing : std::uint8_t {
    unknown,    ///< too little to compare
    equal,      ///< within noise, or different by too little to matter, or better
    worse,      ///< a real difference that matters: >= 10 % of the run behind and >= 2 % excess
    much_worse, ///< >= 50 % of the run behind and >= 10 % excess
    stalled,    ///< made less than a fifth of the twin's progress
    diverged,   ///< not finite for good, or ended above where it began, while the twin did not
};

inline constexpr double real_in_noises = 3;

struct Comparison {
    Outcome outcome;
    Standing standing = Standing::unknown;
    std::int64_t steps = 0;   ///< compared
    std::int64_t applied = 0; ///< of these, not skipped and with a finite loss
    std::int64_t skipped = 0;
    std::int64_t first_not_finite = -1; ///< first step of the non-finite tail, when it diverged so
    double excess = 0;                  ///< real or not, relative as described above
    /// The gap matters (as for `worse`) and is real batch by batch: the mean of the paired differences over the final
    /// window is beyond 3 of its own standard errors. Pairing cancels the batches' noise, but not what two runs drift
    /// apart by luck, so alone it is no verdict; together with updates that lose a measured share it is.
    bool paired_gap = false;
    /// Steps whose loss is not finite while the twin's is, and those of them in the second half of the run.
    std::int64_t not_finite = 0, late_not_finite = 0;
    /// False when the recipe stores its loss in so few bits that the twin's curve would hardly be visible in them: the
    /// spacing at the twin's final loss is above a quarter of that loss, or of the twin's progress. The curve then
    /// proves nothing, good or bad.
    bool loss_readable = true;
    /// The loss that fp32 reads from the recipe's weights at sampled steps of the second half, over the twin's of the
    /// same batches, and its standard error; NaN without 3 samples.
    double gap_in_fp32 = std::numeric_limits<double>::quiet_NaN();
    double gap_in_fp32_error = 0;
    /// The curve looked bad or unreadable, those samples are telling, and `standing` is what they show.
    bool judged_in_fp32 = false;
    /// That second reading is precise enough to acquit: even its upper end (two standard errors) is an excess below
    /// `much_worse`'s.
    bool acquitted_in_fp32 = false;
    Standing own_standing = Standing::unknown; ///< by the recipe's own curve, before any second reading
    double final_in_fp32 = 0;                  ///< the twin's final loss plus that gap; only when judged_in_fp32
    double progress_share = 0;                 ///< of the twin's progress, what the recipe made; 1 = all
    double loss_spacing = 0; ///< distance of neighbouring stored losses at the twin's final loss; 0 in fp32

    [[nodiscard]] bool bad() const { return standing >= Standing::much_worse; }
    [[nodiscard]] bool fine() const { return standing == Standing::equal; }
    /// The loss could not show it if updates were lost: unreadable, too short, or the twin's hardly moves either.
    [[nodiscard]] bool blind() const {
        return (!loss_readable && !judged_in_fp32) || standing == Standing::unknown ||
               outcome.progress <= real_in_noises * outcome.noise;
    }
};

inline constexpr double worse_behind = 0.10, worse_excess = 0.02;
inline constexpr double much_worse_behind = 0.50, much_worse_excess = 0.10;
inline constexpr double stalled_progress = 0.20;
/// Consecutive non-finite losses at the end that count as divergence: a single bad batch may recover.
inline constexpr std::size_t diverged_tail = 3;

/// `loss_format`: storage of the recipe's loss.
[[nodiscard]] Comparison compare_outcome(const std::vector<trace::Step> &recipe, const std::vector<trace::Step> &twin,
                                         const std::vector<std::vector<double>> &sibling_losses,
                                         const number::Format &loss_format = number::format_of(number::FormatId::fp32));

} // namespace halfscope::analysis
