// A detector looks for one cause. It names what it finds; it does not judge: the verdict weighs outcome and update
// fidelity first (analysis/verdict), and a detector says how severe its finding is in the light of both.
#pragma once

#include "analysis/compare/finished_model.h"
#include "analysis/compare/outcome.h"
#include "analysis/compare/update_fidelity.h"
#include "analysis/detectors/origin.h"
#include "analysis/statistics/loss_scale_window.h"
#include "analysis/statistics/tensor_history.h"
#include "analysis/verdict/assessment.h"
#include "trace/io/reader.h"

#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace halfscope::analysis {

/// Everything a detector may look at.
struct Evidence {
    const trace::Session &session;
    const trace::StoredRun &run;
    const RunRanges &ranges;
    const RunRanges *twin = nullptr; ///< null when the trace has no fp32 twin
    const Comparison &comparison;
    const FidelitySummary &fidelity;
    const ScaleWindows &windows;
    const NonFiniteOrigins &origins;
    const FinishedModel &finished;

    /// critical when the outcome is bad and fidelity does not contradict, information when it does, else `otherwise`.
    [[nodiscard]] Severity severity_if_bad(Severity otherwise) const {
        if (!comparison.bad()) return otherwise;
        return updates_are_fp32s() ? Severity::info : Severity::critical;
    }
    /// Nothing that a counter counts has reached the weights: the loss stays finite, next to no step is skipped, and
    /// the sampled updates of the model and of every layer are fp32's from the same weights.
    [[nodiscard]] bool updates_are_fp32s() const;
    [[nodiscard]] bool dynamic_scale() const;
    /// A number among the session's settings, under the first of these names that is there; `absent` when none is.
    [[nodiscard]] double setting(std::initializer_list<std::string_view> names, double absent) const;
    /// Adam's; 0.9 and 0.999 when the trace does not say.
    [[nodiscard]] std::pair<double, double> betas() const;
};

/// What `halfscope explain DETECTOR` prints.
struct DetectorInfo {
    std::string_view id; ///< "gradient-underflow"
    std::string_view title;
    std::string_view looks_for;
    std::string_view threshold; ///< what it compares with, and why
    std::string_view example;   ///< a worked example in figures
    std::string_view remedy;
};

struct Detector {
    DetectorInfo info;
    void (*find)(const Evidence &evidence, std::vector<Finding> &findings);
};

/// All detectors; causes before their consequences.
[[nodiscard]] std::span<const Detector> detectors();
[[nodiscard]] const DetectorInfo *find_detector(std::string_view id); ///< null when there is none of that name

/// A finding with its place filled in; evidence, cause and remedy are the detector's own.
[[nodiscard]] Finding finding_at(const Detector &detector, Severity severity, const TensorHistory &tensor,
                                 std::int64_t first_step, double weight);

/// "fp16" for a name of the trace; what remedies say beside the format at fault: bf16 for fp16, fp32 for bf16.
[[nodiscard]] std::string_view wider_format(std::string_view format);

// One per file.
extern const Detector forward_overflow, norm_variance_overflow, nan_source, optimizer_underflow, lost_weight_updates,
    lost_weight_decay, gradient_underflow, backward_overflow, scale_collapse, activation_growth, subnormal_gradients,
    gradient_underflow_trend, mask_constant, attention_logits, exponential_overflow, cubic_overflow, sum_overflow,
    product_overflow, residual_growth, no_scale_fits, clip_before_unscale, scale_runaway, unrepresentable_integers,
    subnormal_flush, coarse_output, stuck_second_moment, weight_underflow, saturated_sigmoid, clamp_rounds_to_one,
    log_of_lost_eps, norm_eps_lost, coarse_logits, sum_saturation, gradient_norm_overflow, rounded_hyperparameters,
    gradient_accumulation, all_reduce_overflow, stuck_ema, stuck_step_counter, running_statistics, mean_overflow,
    narrow_accumulation, gradient_attenuation, coarse_phase, biased_attention_rounding;

} // namespace halfscope::analysis
