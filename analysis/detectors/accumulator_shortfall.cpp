#include "analysis/detectors/accumulator_shortfall.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double spacings = 4;
constexpr double little_underflow = 0.01;

template <std::size_t N> bool is_one_of(std::string_view operation, const std::array<std::string_view, N> &names) {
    return std::find(names.begin(), names.end(), operation) != names.end();
}

bool is_product(std::string_view operation) {
    return is_one_of(operation, std::array<std::string_view, 2>{"matmul", "convolution"});
}

bool is_sum(std::string_view operation) {
    return is_one_of(operation, std::array<std::string_view, 5>{"reduce_sum", "reduce_mean", "average_pool",
                                                                "cumulative_sum", "gather_gradient"});
}

/// Sum of magnitudes and log2 of the root mean square at a step; not finite when it was not traced or held inf or NaN.
struct Size {
    double sum = std::nan(""), log2_rms = std::nan("");
};
Size size_at(const TensorHistory &tensor, std::int64_t step) {
    const auto &steps = tensor.summary.steps;
    const auto at = std::lower_bound(steps.begin(), steps.end(), step);
    if (at == steps.end() || *at != step || tensor.events_at(step) != 0) return {};
    const auto i = static_cast<std::size_t>(at - steps.begin());
    return {tensor.sum_abs_by_step[i], tensor.log2_rms_by_step[i]};
}

} // namespace

Shortfall accumulator_shortfall(const Evidence &e) {
    if (!e.twin || e.run.steps.empty()) return {};
    const std::int64_t step = e.run.steps.front().step;
    const double tolerance = spacings * std::ldexp(1.0, -format_named(e.run.run.compute_format).precision);
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.backward || tensor.info.role == "weight") continue;
        const TensorHistory *reference = e.twin->find(tensor.info.name);
        if (!reference) continue;
        const auto [own, own_rms] = size_at(tensor, step);
        const auto [theirs, their_rms] = size_at(*reference, step);
        if (!(theirs > 0) || !std::isfinite(own)) continue;
        if (std::abs(own / theirs - 1) < tolerance && std::abs(std::exp2(own_rms - their_rms) - 1) < tolerance)
            continue;
        // Only sums of terms of one sign stop growing; cancellation magnifies what was rounded before.
        const bool falls_short = own < (1 - tolerance) * theirs && own_rms < their_rms;
        const bool product = is_product(tensor.info.operation);
        if (!(product || is_sum(tensor.info.operation)) || !falls_short ||
            tensor.summary.underflow_share > little_underflow)
            return {};
        return {&tensor, step, own / theirs, product};
    }
    return {};
}

Finding shortfall_finding(const Evidence &e, const Detector &detector, const Shortfall &shortfall) {
    Finding f = finding_at(detector, e.severity_if_bad(Severity::warning), *shortfall.tensor, shortfall.step, 82);
    f.evidence =
        fmt::format("At step {}, with the same weights and batch, the magnitudes of {} add up to {} of the fp32 "
                    "twin's, while everything before it agrees; nothing overflows or underflows.",
                    shortfall.step, named(f.tensor), percent(shortfall.share));
    return f;
}

} // namespace halfscope::analysis
