#include "analysis/statistics/tensor_history.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/forward_neighbours.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace halfscope::analysis {

namespace {

double ratio(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Elements whose source is finite and not zero: what underflow is counted among.
std::uint64_t nonzero_sources(const number::RangeStatistics &s) {
    const std::uint64_t others = s.zeros + s.infinities + s.nans;
    return s.count > others ? s.count - others : 0;
}

void add_step(TensorHistory &tensor, const trace::TensorStep &record, double loss_scale, bool late) {
    const number::RangeStatistics &s = record.statistics;
    TensorSummary &summary = tensor.summary;
    summary.total.merge(s);
    summary.steps.push_back(record.step);
    summary.underflow_by_step.push_back(static_cast<float>(ratio(s.underflows, nonzero_sources(s))));
    summary.overflow_by_step.push_back(static_cast<float>(ratio(s.overflows, s.count)));
    summary.subnormal_by_step.push_back(static_cast<float>(ratio(s.subnormals, nonzero_sources(s))));
    summary.amax_by_step.push_back(s.amax);
    summary.non_finite_by_step.push_back(s.overflows + s.infinities + s.nans > 0 ? 1 : 0);
    tensor.events_by_step.push_back(static_cast<std::uint8_t>(
        (s.overflows ? overflow_event : 0) | (s.infinities ? infinite_event : 0) | (s.nans ? nan_event : 0)));
    tensor.zeros_by_step.push_back(static_cast<float>(ratio(s.zeros + s.underflows, s.count)));
    const double scale = tensor.info.scaled ? loss_scale : 1.0;
    const std::uint64_t values = nonzero_sources(s);
    tensor.sum_abs_by_step.push_back(s.sum_abs);
    tensor.one_sided_by_step.push_back(s.sum_abs > 0 ? static_cast<float>(s.sum / s.sum_abs) : 0.0F);
    tensor.rounding_bias_by_step.push_back(
        s.sum_squared_error > 0
            ? static_cast<float>(s.sum_magnitude_error / std::sqrt(s.sum_squared_error * static_cast<double>(s.count)))
            : std::numeric_limits<float>::quiet_NaN());
    tensor.log2_rms_by_step.push_back(values > 0 && s.sum_squares > 0
                                          ? 0.5 * std::log2(s.sum_squares / static_cast<double>(values)) -
                                                std::log2(scale)
                                          : std::numeric_limits<double>::quiet_NaN());
    if (std::isfinite(scale) && scale > 0) {
        // A scale that is no power of two moves values within a binade: the nearest power is off by half a binade.
        const int k = -static_cast<int>(std::lround(std::log2(scale)));
        add_shifted(tensor.unscaled, s.exponents, k);
        if (late) add_shifted(tensor.unscaled_late, s.exponents, k);
        tensor.unscaled_amax = std::max(tensor.unscaled_amax, double{s.amax} / scale);
    }
}

void finish(TensorHistory &tensor) {
    TensorSummary &summary = tensor.summary;
    const number::RangeStatistics &s = summary.total;
    summary.underflow_share = ratio(s.underflows, nonzero_sources(s));
    summary.underflow_share_of_all = ratio(s.underflows, s.count);
    summary.subnormal_share = ratio(s.subnormals, nonzero_sources(s));
    summary.overflow_share = ratio(s.overflows, s.count);
    summary.dynamic_range = s.amin > 0 && s.amax > 0 ? std::log2(double{s.amax}) - std::log2(double{s.amin}) : 0.0;
    const std::uint64_t finite = s.count - std::min(s.count, s.infinities + s.nans + s.overflows);
    summary.mse = finite ? s.sum_squared_error / static_cast<double>(finite) : 0.0;
    const number::Format &format = format_named(tensor.info.format);
    summary.headroom_log2 = s.amax > 0 ? std::log2(largest_finite(format)) - std::log2(double{s.amax}) : 0.0;
}

} // namespace

std::uint8_t TensorHistory::events_at(std::int64_t step) const {
    const auto at = std::lower_bound(summary.steps.begin(), summary.steps.end(), step);
    if (at == summary.steps.end() || *at != step) return 0;
    return events_by_step[static_cast<std::size_t>(at - summary.steps.begin())];
}

double TensorHistory::nonzero_results() const {
    const number::RangeStatistics &s = summary.total;
    return static_cast<double>(s.count) - static_cast<double>(s.zeros) - static_cast<double>(s.underflows);
}

const TensorHistory *RunRanges::find(std::string_view name) const {
    const auto at = by_name_.find(std::string(name));
    return at == by_name_.end() ? nullptr : &tensors[at->second];
}

void RunRanges::index() {
    std::stable_sort(tensors.begin(), tensors.end(),
                     [](const TensorHistory &a, const TensorHistory &b) { return a.info.order < b.info.order; });
    by_name_.clear();
    for (std::size_t i = 0; i < tensors.size(); ++i) by_name_.emplace(tensors[i].info.name, i);
}

RunRanges read_ranges(const trace::Reader &reader, const trace::StoredRun &run) {
    RunRanges ranges;
    std::unordered_map<trace::TensorId, std::size_t> place;
    for (const trace::TensorInfo &info : run.tensors) {
        TensorHistory tensor;
        tensor.info = info;
        tensor.summary.name = info.name;
        tensor.summary.role = info.role;
        tensor.summary.operation = info.operation;
        tensor.summary.format = info.format;
        tensor.summary.backward = info.backward;
        tensor.summary.scaled = info.scaled;
        tensor.summary.order = info.order;
        place.emplace(info.id, ranges.tensors.size());
        ranges.tensors.push_back(std::move(tensor));
    }
    std::unordered_map<std::int64_t, double> scale_of_step;
    for (const trace::Step &step : run.steps) scale_of_step.emplace(step.step, step.loss_scale);
    const std::int64_t second_half = run.steps.empty() ? 0 : (run.steps.front().step + run.steps.back().step + 1) / 2;
    reader.for_each_tensor_step(run.run.id, [&](const trace::TensorStep &record) {
        const auto at = place.find(record.tensor);
        const auto scale = scale_of_step.find(record.step);
        if (at != place.end() && scale != scale_of_step.end())
            add_step(ranges.tensors[at->second], record, scale->second, record.step >= second_half);
    });
    for (TensorHistory &tensor : ranges.tensors) finish(tensor);
    ranges.index();
    return ranges;
}

double lost_share(const TensorHistory &recipe, const TensorHistory &twin) {
    // Sums of per-step shares, so that only steps both runs traced count.
    double kept = 0;
    double expected = 0;
    std::size_t t = 0;
    for (std::size_t i = 0; i < recipe.summary.steps.size(); ++i) {
        while (t < twin.summary.steps.size() && twin.summary.steps[t] < recipe.summary.steps[i]) ++t;
        if (t == twin.summary.steps.size()) break;
        if (twin.summary.steps[t] != recipe.summary.steps[i]) continue;
        kept += 1.0 - double{recipe.zeros_by_step[i]};
        expected += 1.0 - double{twin.zeros_by_step[t]};
    }
    if (expected <= 0) return std::numeric_limits<double>::quiet_NaN();
    return std::max(0.0, 1.0 - kept / expected);
}

std::vector<LayerSummary> summarize_layers(const RunRanges &ranges, const RunRanges *twin) {
    std::vector<LayerSummary> layers;
    std::map<std::string, std::size_t> place;
    // Forward tensors first: they fix the order in which a reader meets the layers.
    for (const bool backward : {false, true}) {
        for (const TensorHistory &tensor : ranges.tensors) {
            if (tensor.info.backward != backward) continue;
            const auto [at, fresh] = place.emplace(tensor.info.layer, layers.size());
            if (fresh) layers.emplace_back().name = tensor.info.layer;
            LayerSummary &layer = layers[at->second];
            if (layer.policy.empty() && !backward && tensor.info.role == "activation")
                layer.policy = tensor.info.policy;
            layer.tensors.push_back(tensor.summary);
            layer.tensors.back().mask = !backward && is_masked_score(ranges, tensor);
            if (const TensorHistory *reference = twin ? twin->find(tensor.info.name) : nullptr) {
                const double lost = lost_share(tensor, *reference);
                if (!std::isnan(lost)) layer.tensors.back().lost_share = lost;
            }
            if (tensor.info.role == "gradient" || tensor.info.role == "weight_gradient") layer.has_gradients = true;
        }
    }
    return layers;
}

} // namespace halfscope::analysis
