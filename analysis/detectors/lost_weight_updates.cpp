// lost-weight-updates: updates smaller than half the spacing of the weights are rounded away.
//
// What it looks for. Weights kept in 16 bits without an fp32 master copy. w + u is w again when |u| is below half an
// ulp of w: 2^-9 to 2^-8 of |w| in bf16, 2^-12 to 2^-11 in fp16. The run then learns only while updates are large, and
// stops at an error floor that is HIGHER for smaller learning rates (hazards U01, U02: least squares ends at 1.4 times
// the spacing instead of the noise; U03: fine-tuning and late cosine schedules freeze).
//
// Which figures. Update fidelity (compare/update_fidelity.h): what the recipe's update retains of fp32's, the share of
// elements that move, both late in the run, and beside them what the GRADIENT retains: where the gradient is already
// gone, the cause is gradient-underflow and not this. Bit-identical 16-bit weights beside moving masters (N05) are not
// seen here at all, because fidelity is measured on the weights that hold the state. Stochastic and compensated (Kahan)
// updates retain 1 on average however few elements move in one step, and are not flagged.
//
// Threshold. Retained below 0.9, with the gradient retaining at least 0.1 more: one step in ten is lost. Below 0.5, and
// for a layer below 0.1, it is severe. Critical when the outcome is bad, or when it cannot show the loss because the
// twin's own loss hardly moves in so few steps.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

/// True when the update loses clearly more than the gradient had lost already.
bool lost_in_the_update(const PooledFidelity &f) {
    const double gradient = std::isfinite(f.gradient_retained) ? std::min(1.0, f.gradient_retained) : 1.0;
    return f.retains_less_than(costly_retained) && gradient - f.retained >= 1.0 - costly_retained;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const trace::Run &run = e.run.run;
    const number::Format &format = format_named(run.weight_format);
    if (run.master_weights || !is_reduced(format)) return;
    const bool whole = lost_in_the_update(e.fidelity.late);
    std::vector<const LayerFidelity *> layers;
    for (const LayerFidelity &layer : e.fidelity.layers)
        if (lost_in_the_update(layer.late) && (whole || layer.late.elements >= frozen_evidence))
            layers.push_back(&layer);
    std::stable_sort(layers.begin(), layers.end(), [](const LayerFidelity *a, const LayerFidelity *b) {
        return a->late.retained < b->late.retained;
    });
    if (!whole && layers.empty()) return;

    const PooledFidelity &late = e.fidelity.late;
    Finding f;
    f.detector = lost_weight_updates.info.id;
    const bool severe = late.retained < broken_retained;
    f.severity = e.comparison.bad() || (severe && e.comparison.blind()) ? Severity::critical : Severity::warning;
    f.weight = 85;
    if (!layers.empty()) {
        f.layer = layers.front()->layer;
        f.first_step = layers.front()->first_bad_step;
    } else {
        for (const LayerFidelity &layer : e.fidelity.layers)
            if (layer.first_bad_step >= 0 && (f.first_step < 0 || layer.first_bad_step < f.first_step))
                f.first_step = layer.first_bad_step;
    }
    f.evidence = fmt::format(
        "Late in the run the update retains {} of the fp32 update (gradients: {}), and {} of the elements "
        "that fp32 moves stay where they are.",
        percent(late.retained), std::isfinite(late.gradient_retained) ? percent(late.gradient_retained) : "unknown",
        percent(1.0 - late.moved));
    if (!layers.empty()) {
        std::vector<std::string> names;
        for (const LayerFidelity *layer : layers) names.push_back(layer->layer);
        f.evidence += fmt::format(" Worst: {}, {} retained.", name_list(names), percent(layers.front()->late.retained));
    }
    f.cause =
        fmt::format("Without fp32 master weights an update below half the spacing of {} ({} of the weight) is rounded "
                    "away; the smaller the learning rate, the more is lost.",
                    format.name, percent(std::ldexp(1.0, -format.precision)));
    f.remedy =
        "Keep fp32 master weights (the amp and o2 recipes do), or use stochastic rounding or Kahan summation for the "
        "update; raising the learning rate only hides it.";
    findings.push_back(std::move(f));
}

} // namespace

const Detector lost_weight_updates{
    {"lost-weight-updates", "Lost weight updates",
     "16-bit weights without fp32 masters whose update, late in the run, retains little of the update fp32 would have "
     "made, "
     "while the gradient is still whole.",
     "Retained (u . u32 / |u32|^2) below 0.9: one step in ten is lost; below 0.5 for the model or 0.1 for a layer it "
     "is "
     "severe. Critical when the outcome is bad or too flat to show it.",
     "In bf16 the neighbours of 1.0 are 0.99609 and 1.0078. An update of 6e-4 (Adam at that learning rate) is below "
     "half of "
     "either gap: after 100 steps 0 of 768 weights have moved.",
     "Keep fp32 master weights, or round the update stochastically, or use Kahan summation."},
    find};

} // namespace halfscope::analysis
