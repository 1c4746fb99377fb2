// gradient-attenuation: gradients shrink by the same factor from layer to layer, until the layers near the input get
// none.
//
// What it looks for. Each layer multiplies the gradient that passes through it: by a quarter at most for a sigmoid, by
// its gain for a linear map, by 1 / n for a mean over n positions. Over a deep stack the factors multiply, and what
// leaves the last layer at 2^-10 arrives at the first at 2^-30 (hazard G15). gradient-underflow says that values are
// lost; this says why, and that the depth does it: the network would need a repair of its own.
//
// Which figures. The gradients of activations, in the order of the backward pass, of the fp32 twin where it has them:
// log2 of their root mean square, averaged over the traced steps, one figure a layer. A straight line through them has
// a slope of binades a layer.
//
// Threshold. At least six layers; a fall of eight binades along the line (fp16's subnormals are ten); and a line that
// explains seven tenths of the variance, or else it is one layer's doing. Only where a layer's gradient is harmed: it
// retains less than 0.9 of fp32's and underflows. Critical when the outcome is bad or gradient-underflow is.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr std::size_t enough_layers = 6;
constexpr double far = 8, straight = 0.7;
constexpr double worth_naming = 0.01;

struct LayerGradient {
    const TensorHistory *tensor = nullptr; ///< the recipe's
    double log2_rms = 0;
};

double mean_log2_rms(const TensorHistory &tensor) {
    double sum = 0;
    int counted = 0;
    for (const double value : tensor.log2_rms_by_step)
        if (std::isfinite(value)) sum += value, ++counted;
    return counted > 0 ? sum / counted : std::nan("");
}

/// One a layer, the last of the backward pass in it; from the output to the input.
std::vector<LayerGradient> along_the_depth(const Evidence &e) {
    std::vector<LayerGradient> layers;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        // Of a value's gradient, not of what else the backward pass makes on the way to a weight's.
        if (tensor.info.role != "gradient" || tensor.info.layer.empty() || !tensor.info.name.ends_with(".grad"))
            continue;
        const TensorHistory *twins = e.twin ? e.twin->find(tensor.info.name) : nullptr;
        const double size = mean_log2_rms(twins ? *twins : tensor);
        if (!std::isfinite(size)) continue;
        if (layers.empty() || layers.back().tensor->info.layer != tensor.info.layer) layers.emplace_back();
        layers.back() = {&tensor, size};
    }
    return layers;
}

struct Line {
    double slope = 0, explained = 0; ///< a layer; share of the variance
};

Line fitted(const std::vector<LayerGradient> &layers) {
    const auto n = static_cast<double>(layers.size());
    double mean = 0;
    for (const LayerGradient &layer : layers) mean += layer.log2_rms / n;
    double xx = 0, xy = 0, yy = 0;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const double x = static_cast<double>(i) - (n - 1) / 2, y = layers[i].log2_rms - mean;
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    return {xy / xx, yy > 0 ? xy * xy / (xx * yy) : 0};
}

/// The harmed layer that is nearest to the input.
const TensorHistory *starved(const Evidence &e, const std::vector<LayerGradient> &layers) {
    for (auto at = layers.rbegin(); at != layers.rend(); ++at) {
        const LayerFidelity *layer = e.fidelity.find(at->tensor->info.layer);
        const bool harmed = layer ? layer->late.known() && layer->late.gradient_retained < costly_retained : true;
        if (harmed && at->tensor->summary.underflow_share >= worth_naming) return at->tensor;
    }
    return nullptr;
}

/// It says why values are lost: it weighs what the loss itself does.
Severity severity(const Evidence &e, const std::vector<Finding> &findings) {
    const bool critical_loss = std::any_of(findings.begin(), findings.end(), [](const Finding &f) {
        return f.detector == gradient_underflow.info.id && f.severity == Severity::critical;
    });
    return e.comparison.bad() || critical_loss ? Severity::critical : Severity::warning;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const std::vector<LayerGradient> layers = along_the_depth(e);
    if (layers.size() < enough_layers) return;
    const Line line = fitted(layers);
    const double fall = -line.slope * static_cast<double>(layers.size() - 1);
    if (fall < far || line.explained < straight) return;
    const TensorHistory *tensor = starved(e, layers);
    if (!tensor) return;
    const number::Format &format = format_named(tensor->info.format);
    const ScaleWindow &w = e.windows.model;
    Finding f = finding_at(gradient_attenuation, severity(e, findings), *tensor,
                           tensor->summary.steps.empty() ? -1 : tensor->summary.steps.front(), 81);
    f.evidence = fmt::format(
        "Going back from {} to {}, the root mean square of the gradient falls by {} binades a layer, from 2^{:.0f} to "
        "2^{:.0f}; {} rounds to zero below 2^{}, and {} of the non-zero elements of {} are lost.",
        named(layers.front().tensor->info.layer), named(layers.back().tensor->info.layer), figure(-line.slope),
        layers.front().log2_rms, layers.back().log2_rms, format.name, underflow_threshold_log2(format),
        percent(tensor->summary.underflow_share), named(f.tensor));
    f.cause =
        fmt::format("Each layer shrinks the gradient by the same factor, and after {} of them nothing that {} can "
                    "hold reaches {}.",
                    layers.size(), format.name, named(f.layer));
    f.remedy = w.fits()
                   ? fmt::format("A loss scale from 2^{} to 2^{} lifts all of them; the cure is a network that hands "
                                 "gradients on (residual connections, normalisation, larger initial gains, ReLU for "
                                 "sigmoid), or {}.",
                                 w.low, w.high, wider_format(tensor->info.format))
                   : fmt::format("{} Hand gradients on (residual connections, normalisation, larger initial gains), "
                                 "or use {}.",
                                 e.windows.sentence, wider_format(tensor->info.format));
    findings.push_back(std::move(f));
}

} // namespace

const Detector gradient_attenuation{
    {"gradient-attenuation", "Gradients attenuated with depth",
     "The size of activation gradients layer by layer on the way back: a steady fall that ends below the format's "
     "range.",
     "Six layers or more, a fall of eight binades, seven tenths of the variance on a straight line, "
     "and a layer that underflows and retains less than 0.9 of its gradient. Critical when the outcome is bad.",
     "Twelve sigmoid layers, each worth a factor of 1/4 at most: 2^-12 at the output is 2^-36 at the input, and fp16 "
     "ends at 2^-24. A loss scale of 2^16 lifts the first layer to 2^-20.",
     "A loss scale where one fits; residual connections, normalisation or larger gains; bf16."},
    find};

} // namespace halfscope::analysis
