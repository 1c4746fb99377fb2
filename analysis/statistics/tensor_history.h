// One run's tensors over its traced steps: what a report shows of each (TensorSummary) and what detectors ask beyond
// it.
#pragma once

#include "analysis/statistics/what_if.h"
#include "analysis/verdict/assessment.h"
#include "trace/io/reader.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace halfscope::analysis {

/// What went wrong with a tensor in one step, as bits of TensorHistory::events_by_step.
enum RangeEvent : std::uint8_t {
    overflow_event = 1, ///< finite sources became infinite (or saturated)
    infinite_event = 2, ///< sources were infinite already
    nan_event = 4,      ///< sources were NaN already
};

struct TensorHistory {
    trace::TensorInfo info;
    TensorSummary summary;
    std::vector<std::uint8_t> events_by_step; ///< RangeEvent bits, parallel to summary.steps
    std::vector<float> zeros_by_step;         ///< share of stored elements that are zero, parallel to summary.steps
    /// Sources over all steps with the loss scale divided out (where the tensor carries it) and their largest
    /// magnitude: what the window of loss scales is computed from. Steps whose scale is not finite and positive are
    /// left out.
    Exponents unscaled{};
    Exponents unscaled_late{}; ///< the same, from the second half of the steps
    double unscaled_amax = 0;
    std::vector<double> sum_abs_by_step; ///< of finite sources, as traced, parallel to summary.steps
    /// Sum of the finite sources in sums of their magnitudes, -1 to 1, parallel to summary.steps; 0 where all are zero.
    std::vector<float> one_sided_by_step;
    /// Mean rounding error away from zero in root mean square errors, -1 to 1, parallel to summary.steps; NaN where
    /// nothing was rounded.
    std::vector<float> rounding_bias_by_step;
    /// log2 of the root mean square of the non-zero sources, unscaled, parallel to summary.steps; NaN where there is
    /// none.
    std::vector<double> log2_rms_by_step;

    /// The events of `step`; 0 when it was not traced.
    [[nodiscard]] std::uint8_t events_at(std::int64_t step) const;
    /// Stored elements that are not zero (inf and NaN included), over all steps.
    [[nodiscard]] double nonzero_results() const;
};

class RunRanges {
  public:
    std::vector<TensorHistory> tensors; ///< in execution order

    [[nodiscard]] const TensorHistory *find(std::string_view name) const; ///< null when absent
    void index();                                                         ///< after `tensors` is filled

  private:
    std::unordered_map<std::string, std::size_t> by_name_;
};

/// Reads every tensor record of `run`. Holds no single record longer than it takes to add it.
[[nodiscard]] RunRanges read_ranges(const trace::Reader &reader, const trace::StoredRun &run);

/// `recipe`'s tensor beside the twin's, over the steps both traced: the share of the elements non-zero in the twin that
/// are zero in the recipe. The twin's own zeros (ReLU, masks, dropout) are thereby not counted, and what the recipe
/// lost further up the chain is. Negative results (the recipe has more non-zeros) are 0; NaN when the twin has none.
[[nodiscard]] double lost_share(const TensorHistory &recipe, const TensorHistory &twin);

/// Layers in forward execution order, each with its tensors in execution order. `twin` may be null.
[[nodiscard]] std::vector<LayerSummary> summarize_layers(const RunRanges &ranges, const RunRanges *twin);

} // namespace halfscope::analysis
