// no-scale-fits: two layers' gradients are further apart than the format is wide.
//
// What it looks for. The window of loss scales (statistics/loss_scale_window.h) is empty: what one layer needs to keep
// its gradients makes another's overflow (hazard G07). A dynamic scale settles just below the overflow and the small
// layer loses its gradients for good; no static scale is better. fp16 holds 40 binades, 30 of them at full precision.
//
// Threshold. An empty window names it. It is a cause only where it does harm: the layer that needs the larger scale
// retains less than 0.9 of its gradient, or one step in twenty is skipped; else it is information (the lost layer may
// not matter, and fidelity says that it does not).
#include "analysis/detectors/detector.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

constexpr double wasted_steps = 0.05;

void find(const Evidence &e, std::vector<Finding> &findings) {
    const ScaleWindow &w = e.windows.model;
    if (!e.windows.reduced || w.fits() || w.low_layer.empty() || w.high_layer.empty()) return;
    const LayerFidelity *starved = e.fidelity.find(w.low_layer);
    const bool lost = starved && starved->late.known() && starved->late.gradient_retained < costly_retained;
    const bool skipping =
        static_cast<double>(e.comparison.skipped) > wasted_steps * static_cast<double>(e.comparison.steps);
    Finding f;
    f.detector = no_scale_fits.info.id;
    f.severity = lost || skipping ? e.severity_if_bad(Severity::warning) : Severity::info;
    f.layer = w.low_layer;
    f.tensor = w.low_tensor;
    f.weight = 86;
    f.evidence = e.windows.sentence;
    if (starved && starved->late.known())
        f.evidence += fmt::format(" The gradient of {} retains {} of fp32's.", named(w.low_layer),
                                  percent(starved->late.gradient_retained));
    f.cause = fmt::format("The gradients of {} and {} are {} binades further apart than the format is wide, so no loss "
                          "scale serves both.",
                          named(w.low_layer), named(w.high_layer), w.low - w.high);
    f.remedy =
        fmt::format("Run the backward pass of {} or {} in fp32, use bf16, or bring the two together (a mean loss, "
                    "normalisation between them, a smaller last layer).",
                    named(w.low_layer), named(w.high_layer));
    findings.push_back(std::move(f));
}

} // namespace

const Detector no_scale_fits{
    {"no-scale-fits", "No loss scale fits",
     "An empty window of loss scales: the smallest that keeps one layer's gradients is above the largest at which "
     "another's stay finite.",
     "An empty window names it; a cause where the starved layer retains less than 0.9 of its gradient or 5 % of the "
     "steps are skipped, else information.",
     "Gradients of 2^-35 in the stem need 2^11 to be kept; gradients of 2^14 in the head overflow above 2^1. The two "
     "are "
     "10 binades too far apart.",
     "One of the two layers in fp32, bf16, or gradients brought closer together."},
    find};

} // namespace halfscope::analysis
