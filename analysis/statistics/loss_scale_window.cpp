#include "analysis/statistics/loss_scale_window.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

int highest_fitting(double amax, const number::Format &format) {
    int k = static_cast<int>(std::floor(std::log2(overflow_threshold(format)) - std::log2(amax))) + 1;
    while (std::ldexp(amax, k) >= overflow_threshold(format)) --k; // settles the rounding of the logarithms
    return std::clamp(k, lowest_scale_log2 - 1, highest_scale_log2);
}

std::string describe(const ScaleWindows &windows) {
    const ScaleWindow &w = windows.model;
    if (w.low_layer.empty() && w.high_layer.empty()) return {};
    if (!w.fits())
        return fmt::format("No loss scale fits: the gradients of {} need at least 2^{} and those of {} overflow above "
                           "2^{}, {} binades apart.",
                           named(w.low_layer), w.low, named(w.high_layer), w.high, w.low - w.high);
    const std::string range = fmt::format("2^{} to 2^{}", w.low, w.high);
    if (w.low <= 0 && w.high >= 0)
        return fmt::format(
            "The gradients fit without loss scaling; any scale from {} would do (above it {} overflows).", range,
            named(w.high_layer));
    if (w.low > 0)
        return fmt::format("The gradients need a loss scale from {}: below it {} loses more than {} of its gradient's "
                           "squared norm to underflow, above it {} overflows.",
                           range, named(w.low_layer), percent(allowed_lost_squares), named(w.high_layer));
    return fmt::format("The gradients overflow even without loss scaling: they need a scale from {}, below 1, because "
                       "of {}.",
                       range, named(w.high_layer));
}

} // namespace

int lowest_scale_keeping(const Exponents &exponents, const number::Format &format, double allowed) {
    int low = lowest_scale_log2;
    int high = highest_scale_log2;
    while (low < high) { // the share lost falls as k grows
        const int middle = low + (high - low) / 2;
        if (what_if(exponents, 0, format, middle).lost_squares_share <= allowed)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void ScaleWindow::intersect(const ScaleWindow &other) {
    if (!other.low_layer.empty() && (low_layer.empty() || other.low > low)) {
        low = other.low;
        low_tensor = other.low_tensor;
        low_layer = other.low_layer;
    }
    if (!other.high_layer.empty() && (high_layer.empty() || other.high < high)) {
        high = other.high;
        high_tensor = other.high_tensor;
        high_layer = other.high_layer;
    }
}

std::optional<std::pair<int, int>> scale_window(const Exponents &all, const Exponents &late, double amax,
                                                const number::Format &format) {
    if (total(all) == 0 || !(amax > 0)) return std::nullopt;
    int low = lowest_scale_keeping(all, format, allowed_lost_squares);
    if (total(late) > 0) low = std::max(low, lowest_scale_keeping(late, format, allowed_lost_squares));
    return std::pair(low, highest_fitting(amax, format));
}

int recommended_scale_log2(int low, int high) {
    low = std::max(low, 0);
    high = std::max(high, low);
    return std::max(std::min(std::max(12, low + 2), high - 4), low);
}

ScaleWindows scale_windows(const RunRanges &recipe, const RunRanges *twin, const number::Format *in_format) {
    const auto is_gradient = [](const TensorHistory &t) {
        return t.info.role == "gradient" || t.info.role == "weight_gradient";
    };
    // Gradients that do not carry the scale (already unscaled) do not bound it, unless the run has no scale at all.
    const bool any_scaled = std::any_of(recipe.tensors.begin(), recipe.tensors.end(),
                                        [&](const TensorHistory &t) { return is_gradient(t) && t.info.scaled; });
    ScaleWindows windows;
    for (const TensorHistory &tensor : recipe.tensors) {
        if (!is_gradient(tensor) || (any_scaled && !tensor.info.scaled)) continue;
        const TensorHistory *values = twin ? twin->find(tensor.info.name) : nullptr;
        if (!values || total(values->unscaled) == 0) values = &tensor;
        const number::Format &format = in_format ? *in_format : format_named(tensor.info.format);
        const auto bounds = scale_window(values->unscaled, values->unscaled_late, values->unscaled_amax, format);
        if (!bounds) continue;
        windows.reduced = windows.reduced || is_reduced(format);
        ScaleWindow window;
        window.low = bounds->first;
        window.high = bounds->second;
        window.low_tensor = window.high_tensor = tensor.info.name;
        window.low_layer = window.high_layer = tensor.info.layer.empty() ? tensor.info.name : tensor.info.layer;
        windows.layers[tensor.info.layer].intersect(window);
        windows.model.intersect(window);
    }
    windows.sentence = describe(windows);
    return windows;
}

} // namespace halfscope::analysis
