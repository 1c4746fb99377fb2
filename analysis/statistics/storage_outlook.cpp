#include "analysis/statistics/storage_outlook.h"

#include "analysis/statistics/forward_neighbours.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace halfscope::analysis {

namespace {

bool is_gradient(const TensorHistory &t) { return t.info.role == "gradient" || t.info.role == "weight_gradient"; }

TensorOutlook outlook_of(const RunRanges &run, const TensorHistory &tensor, const number::Format &format,
                         double loss_scale) {
    TensorOutlook result;
    result.tensor = &tensor;
    const bool gradient = is_gradient(tensor);
    const double scale = gradient ? loss_scale : 1.0;
    const int k = static_cast<int>(std::lround(std::log2(scale)));
    const double amax = tensor.unscaled_amax * (scale / std::ldexp(1.0, k)); // what_if multiplies by 2^k
    result.forecast = what_if(tensor.unscaled, amax, format, k);
    result.lost_squares_share =
        std::max(result.forecast.lost_squares_share, what_if(tensor.unscaled_late, amax, format, k).lost_squares_share);
    result.counts = tensor.info.role != "optimizer_state";
    result.mask = result.forecast.overflows > 0 && is_masked_score(run, tensor);
    result.matters = result.counts && ((result.forecast.overflows > 0 && !result.mask) ||
                                       result.lost_squares_share > allowed_lost_squares);
    return result;
}

/// Worse first: what counts, what matters, then overflow, then what the lost values weigh, then how many there are.
bool worse(const TensorOutlook &a, const TensorOutlook &b) {
    const auto overflows = [](const TensorOutlook &t) { return t.forecast.overflows > 0 && !t.mask; };
    if (a.counts != b.counts) return a.counts;
    if (a.matters != b.matters) return a.matters;
    if (overflows(a) != overflows(b)) return overflows(a);
    if (a.lost_squares_share != b.lost_squares_share) return a.lost_squares_share > b.lost_squares_share;
    return a.lost_share() > b.lost_share();
}

void finish(LayerOutlook &layer, const ScaleWindows &windows) {
    std::stable_sort(layer.tensors.begin(), layer.tensors.end(), worse);
    for (const TensorOutlook &t : layer.tensors) {
        if (!t.counts) continue;
        const bool gradient = is_gradient(*t.tensor);
        layer.has_gradients = layer.has_gradients || gradient;
        (gradient ? layer.gradient_values : layer.forward_values) += t.forecast.values;
        (gradient ? layer.gradient_underflows : layer.forward_underflows) += t.forecast.underflows;
        if (!t.mask) layer.overflows += t.forecast.overflows;
        layer.worst_lost_squares = std::max(layer.worst_lost_squares, t.lost_squares_share);
        layer.matters = layer.matters || t.matters;
    }
    if (const auto at = windows.layers.find(layer.name); at != windows.layers.end()) layer.window = at->second;
    if (layer.has_gradients && !layer.window.fits()) layer.matters = true;
}

} // namespace

double TensorOutlook::lost_share() const {
    return forecast.values == 0 ? 0 : static_cast<double>(forecast.underflows) / static_cast<double>(forecast.values);
}

StorageOutlook storage_outlook(const RunRanges &run, const number::Format &format, double loss_scale) {
    StorageOutlook outlook;
    outlook.windows = scale_windows(run, nullptr, &format);
    std::map<std::string, std::size_t> place;
    for (const TensorHistory &tensor : run.tensors) {
        if (tensor.info.role == "update" || total(tensor.unscaled) == 0) continue;
        const auto [at, fresh] = place.emplace(tensor.info.layer, outlook.layers.size());
        if (fresh) outlook.layers.emplace_back().name = tensor.info.layer;
        outlook.layers[at->second].tensors.push_back(outlook_of(run, tensor, format, loss_scale));
    }
    for (LayerOutlook &layer : outlook.layers) finish(layer, outlook.windows);
    std::stable_sort(outlook.layers.begin(), outlook.layers.end(), [](const LayerOutlook &a, const LayerOutlook &b) {
        if (a.matters != b.matters) return a.matters;
        return worse(a.tensors.front(), b.tensors.front());
    });
    for (const LayerOutlook &layer : outlook.layers) outlook.layers_that_lose += layer.matters ? 1 : 0;
    return outlook;
}

} // namespace halfscope::analysis
