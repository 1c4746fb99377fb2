// Evidence 2: is the update the recipe makes the update fp32 would have made from the same weights and batch?
//
// The figure that matters is what the update RETAINS of the fp32 one: u . u32 / |u32|^2 = cosine * norm ratio, the
// length of u along u32. To first order the loss falls by the gradient times the update, so a step that retains half
// buys half. Cosine alone would condemn stochastic rounding, whose updates are noisy and right on average; `moved`
// alone would condemn it too, and Kahan summation with it.
//
// Thresholds, in terms of what a run loses: 0.9 costs one step in ten (the figure at which an outcome counts as worse),
// 0.5 every second step (much worse). Above 2 every step is at least twice too long, as if the learning rate had been
// doubled. Healthy recipes retain 0.98 to 1.02.
//
// Samples at skipped steps (no update by intent) and samples whose sums are not finite are left out; the latter are
// counted. "Late" is the second half of the run: early steps are large and survive formats that lose all later
// ones. Retained is a ratio of sums over weights and samples (a mean of ratios would be ruled by samples with a small
// update, in which a compensated update happens to jump); the other figures are means over samples.
#pragma once

#include "analysis/statistics/tensor_history.h"
#include "analysis/verdict/assessment.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace halfscope::analysis {

inline constexpr double costly_retained = 0.9;   ///< below: one step in ten is lost
inline constexpr double broken_retained = 0.5;   ///< below: every second step is lost
inline constexpr double frozen_retained = 0.1;   ///< below: as good as no update
inline constexpr double overshot_retained = 2.0; ///< above: twice the step
/// Updates that retain 1 within this are fp32's: half of what counts as a costly loss.
inline constexpr double sound_retained = 0.05;
/// A layer on its own is called frozen only on this many sampled elements: compensated and stochastic rounding move an
/// element once in many steps, and a small bias may have no such step among the samples.
inline constexpr double frozen_evidence = 500;

/// Some weights over some sampled steps. NaN where fp32 makes no update at all.
struct PooledFidelity {
    int samples = 0; ///< sampled steps in which fp32 updates these weights
    double retained = 0, cosine = 0, norm_ratio = 0;
    double retained_error = 0;    ///< standard error of `retained`, from the spread over samples
    double moved = 0;             ///< of the elements fp32 moves, those that moved
    double gradient_retained = 0; ///< the same figure for the unscaled gradients, norm-weighted over weights
    double gradient_cosine = 0, gradient_norm_ratio = 0; ///< of the unscaled gradients, weighted alike; NaN unknown
    double gradient_lost = 0;     ///< of the elements non-zero in the fp32 gradient, those that are zero
    double elements = 0;          ///< elements in all samples
    double reference_squares = 0; ///< squared length of the fp32 updates, added up over the samples

    [[nodiscard]] bool known() const { return samples > 0; }
    /// The update is the one fp32 makes from the same weights: its length along fp32's within sound_retained, and its
    /// direction; the gradient's as well, because nine tenths of a step with momentum are older than its gradient.
    [[nodiscard]] bool is_fp32s() const {
        const bool gradient = std::isnan(gradient_cosine) || gradient_cosine >= 1 - sound_retained;
        return known() && std::abs(retained - 1) <= sound_retained && retained_error <= sound_retained &&
               cosine >= 1 - sound_retained && gradient;
    }
    /// The gradient has fp32's direction and another length (less than half, more than twice): it was rescaled as a
    /// whole. What Adam makes of it cannot be compared with what fp32 would make of the right length from Adam's state,
    /// which holds the wrong one; Adam divides the length out.
    [[nodiscard]] bool gradient_rescaled() const {
        return gradient_cosine > 0.99 && (gradient_norm_ratio < 0.5 || gradient_norm_ratio > 2);
    }
    /// Below or above `limit` by more than two standard errors: single samples of rounded updates scatter.
    [[nodiscard]] bool retains_less_than(double limit) const {
        return known() && retained + 2 * retained_error < limit;
    }
    [[nodiscard]] bool retains_more_than(double limit) const {
        return known() && retained - 2 * retained_error > limit;
    }
};

struct LayerFidelity {
    std::string layer;
    PooledFidelity late, all;
    std::int64_t first_bad_step = -1; ///< first sample that retains less than broken_retained or more than overshot
};

struct FidelitySummary {
    std::vector<FidelityPoint> points; ///< per sampled step, all weights
    PooledFidelity late, all;
    std::vector<LayerFidelity> layers; ///< in order of appearance
    int broken_samples = 0;            ///< samples with non-finite sums
    /// Length of the fp32 update relative to the weights, median over samples; 0 when unknown. Times the number of
    /// steps it bounds how far training can have moved the weights.
    double relative_update = 0;
    bool any_update = false; ///< fp32 would have moved something in at least one sample

    [[nodiscard]] bool known() const { return late.known(); }
    [[nodiscard]] const LayerFidelity *find(const std::string &layer) const;
    /// Layers frozen late in the run, worst first.
    [[nodiscard]] std::vector<const LayerFidelity *> frozen() const;
    /// What these layers are of the model late in the run: their part of the fp32 update's squared length, which is to
    /// first order their part in what a step gains, or of the elements, whichever is larger (a step's length says
    /// little of what a layer that has never learnt could give).
    [[nodiscard]] double share_of(const std::vector<const LayerFidelity *> &layers) const;
};

[[nodiscard]] FidelitySummary summarize_fidelity(const trace::StoredRun &run, const RunRanges &ranges);

} // namespace halfscope::analysis
