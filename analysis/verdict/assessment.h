// What the analysis concludes from a trace: everything a report shows, nothing about how it is drawn.
#pragma once

#include "analysis/verdict/fix.h"
#include "emulation/number/range_statistics.h"
#include "trace/schema/lockstep.h"
#include "trace/schema/records.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace halfscope::analysis {

enum class Verdict : std::uint8_t { safe, risky, unsafe, no_verdict };
enum class Severity : std::uint8_t { info, warning, critical };
[[nodiscard]] std::string_view name_of(Verdict verdict); ///< "safe", "risky", "unsafe", "no-verdict"
[[nodiscard]] std::string_view name_of(Severity severity);

/// One cause found by one detector.
struct Finding {
    std::string detector; ///< "gradient-underflow"
    Severity severity = Severity::info;
    std::string layer;  ///< empty: the whole model
    std::string tensor; ///< empty: the whole layer
    std::int64_t first_step = -1;
    std::string evidence; ///< figures, in one or two sentences
    std::string cause;    ///< why it happens, in one sentence
    std::string remedy;   ///< what to do, in one sentence
    double weight = 0;    ///< ranks findings within a severity
};

/// Statistics of one tensor over the traced steps, in the words of the field.
struct TensorSummary {
    std::string name, role, operation, format;
    bool backward = false;
    bool scaled = false;
    /// Scores with a mask's large negative constant on their way to a softmax: -inf would mean the same.
    bool mask = false;
    std::int64_t order = 0;
    number::RangeStatistics total;     ///< merged over all traced steps
    double underflow_share = 0;        ///< underflows / elements non-zero in the source, over all steps
    double underflow_share_of_all = 0; ///< underflows / all elements
    double subnormal_share = 0;        ///< of non-zero sources
    double overflow_share = 0;         ///< overflows / all elements
    /// Of the elements non-zero in the fp32 twin, those that are zero here (lost here or upstream); absent without a
    /// twin's tensor of that name, or when it is all zero.
    std::optional<double> lost_share;
    double dynamic_range = 0; ///< log2(amax / amin); 0 for an all-zero tensor
    double mse = 0;           ///< mean squared rounding error
    double headroom_log2 = 0; ///< log2(largest finite of the format / amax over all steps)
    /// Per traced step, parallel to Layers::steps of the run: shares for the heat map.
    std::vector<std::int64_t> steps;
    std::vector<float> underflow_by_step, overflow_by_step, subnormal_by_step, amax_by_step;
    std::vector<std::uint8_t> non_finite_by_step; ///< 1 where inf or NaN was stored
};

struct LayerSummary {
    std::string name;
    std::string policy; ///< "conv2d", "linear", ...
    std::vector<TensorSummary> tensors;
    std::optional<double> fidelity_cosine, fidelity_norm_ratio, fidelity_moved; ///< pooled over sampled steps
    /// Share of the fp32 update that the recipe's update contains: u . u32 / |u32|^2, 1 when nothing is lost.
    std::optional<double> fidelity_retained;
    /// Powers of two k such that scaling this layer's gradients by 2^k neither overflows nor loses more than the
    /// allowed share.
    std::optional<std::pair<int, int>> scale_window_log2;
    bool has_gradients = false;
};

struct FidelityPoint {
    std::int64_t step = 0;
    double cosine = 0, norm_ratio = 0, moved = 0; ///< pooled over all weights
    double retained = 0;                          ///< u . u32 / |u32|^2
};

/// The outcome comparison with the twin.
struct Outcome {
    double reference_final = 0; ///< mean loss over the last window
    double final = 0;
    double difference = 0;      ///< final - reference_final
    double noise = 0;           ///< the spread the difference is held against
    std::string noise_source;   ///< "2 fp32 seeds" or "step-to-step variation of the twin"
    bool diverged = false;      ///< inf, NaN, or blew up while the twin did not
    bool stalled = false;       ///< did not learn while the twin did
    std::int64_t parts_at = -1; ///< first step at which the curves part for good; -1: never
    double progress = 0;        ///< the twin's: its loss at the start minus reference_final
    double behind = 0;          ///< share of the run by which the recipe lags: 0.4 = the twin was there 40 % earlier
    std::string sentence;
};

struct RecipeAssessment {
    trace::Run run;
    bool complete = false;
    Verdict verdict = Verdict::no_verdict;
    std::string headline;          ///< the verdict in one sentence
    std::string confidence;        ///< "high", "medium", "low", and what would raise it
    std::vector<Finding> findings; ///< ranked: the first is the cause of the verdict
    Outcome outcome;
    std::vector<trace::Step> steps;
    std::vector<LayerSummary> layers; ///< in forward execution order
    std::vector<FidelityPoint> fidelity;
    std::int64_t skipped_steps = 0;
    std::optional<std::pair<int, int>> scale_window_log2; ///< for the whole model; nullopt: no scale fits
    std::string scale_window_sentence;
    std::vector<trace::Evaluation> evaluations;
    std::vector<trace::Event> events;
    std::optional<Fix> fix; ///< where one was searched for
};

struct ReferenceAssessment {
    trace::Run run;
    bool complete = false;
    bool sound = true;   ///< the twin itself trains
    std::string problem; ///< why not
    std::vector<trace::Step> steps;
    std::vector<LayerSummary> layers;
    std::vector<std::vector<double>> sibling_losses;
    std::vector<trace::Evaluation> evaluations;
};

struct Assessment {
    trace::Session session;
    ReferenceAssessment reference;
    std::vector<RecipeAssessment> recipes;
    std::vector<trace::Lockstep> lockstep; ///< where a device was trained on in lockstep with the emulator
};

} // namespace halfscope::analysis
