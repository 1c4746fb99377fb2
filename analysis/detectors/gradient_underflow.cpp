// gradient-underflow: gradients too small for the format are stored as zero.
//
// What it looks for. Gradient tensors (of activations and of weights) kept in 16 bits: how many of the elements that
// are non-zero in the fp32 twin are zero in the recipe, lost here or further up the chain. fp16 rounds to zero up to
// 2^-25; without loss scaling that is where the gradients of deep and wide models live (hazard G01: 31 % of the SSD
// detector's values, which then diverges).
//
// What it does not conclude. The count of zeros does not judge a run: half of all elements are zero by ReLU in fp32 as
// well (subtracted here by counting against the twin), and 77 % of the non-zero ones lost can leave the loss curve
// unchanged, because the large ones carry the step (N01, N02). What the lost ones were worth is read from fidelity:
// what the gradient, and the update, retain of fp32's.
//
// Threshold. It is named from 1 % lost, the share at which the paper's histograms begin to show it. It is the cause
// (critical) when the outcome is bad and a layer retains less than 0.9 of its gradient, or, without fidelity samples,
// when half of a tensor is lost; a warning when a layer retains less than 0.9 but the outcome does not show it;
// information otherwise.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double worth_naming = 0.01;
constexpr double half_lost = 0.5;

struct Loss {
    const TensorHistory *tensor = nullptr;
    const TensorHistory *origin =
        nullptr; ///< the 16-bit tensor that lost them: `tensor`, or one before its cast to fp32
    double lost = 0;
    double retained = 1; ///< of the layer's gradient; 1 when unknown
    bool retained_known = false;
};

/// Gradient tensors that lose something, the layer that retains least (then loses most) first.
std::vector<Loss> losses(const Evidence &e) {
    std::vector<Loss> result;
    const TensorHistory *upstream = nullptr; // the last gradient of the backward pass that has underflowed
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.role != "gradient" && tensor.info.role != "weight_gradient") continue;
        double lost = tensor.summary.underflow_share;
        const bool reduced = is_reduced(format_named(tensor.info.format));
        if (lost >= worth_naming && (reduced || !upstream)) upstream = &tensor;
        // Zeros beyond the twin's are underflow only where something underflowed; else the two runs' ReLUs differ.
        if (const TensorHistory *reference = e.twin && upstream ? e.twin->find(tensor.info.name) : nullptr) {
            const double beside_twin = lost_share(tensor, *reference);
            if (beside_twin > lost) lost = beside_twin;
        }
        if (lost < worth_naming) continue;
        Loss loss{&tensor, reduced || !upstream ? &tensor : upstream, lost, 1, false};
        const LayerFidelity *layer = e.fidelity.find(tensor.info.layer);
        if (layer && layer->late.known() && std::isfinite(layer->late.gradient_retained)) {
            loss.retained = layer->late.gradient_retained;
            loss.retained_known = true;
        }
        result.push_back(loss);
    }
    std::stable_sort(result.begin(), result.end(), [](const Loss &a, const Loss &b) {
        if (a.retained != b.retained) return a.retained < b.retained;
        return a.lost > b.lost;
    });
    return result;
}

std::int64_t first_step(const TensorHistory &tensor) {
    for (std::size_t i = 0; i < tensor.summary.steps.size(); ++i)
        if (double{tensor.summary.underflow_by_step[i]} >= worth_naming) return tensor.summary.steps[i];
    return tensor.summary.steps.empty() ? -1 : tensor.summary.steps.front();
}

std::string remedy_for(const Evidence &e) {
    const ScaleWindow &w = e.windows.model;
    if (!w.fits()) return e.windows.sentence + " Use bf16, or run one of the two layers in fp32.";
    return fmt::format(
        "Use loss scaling, dynamic or static between 2^{} and 2^{} (for instance static:{:.0f}); or use bf16, "
        "whose range is fp32's.",
        w.low, w.high, std::ldexp(1.0, recommended_scale_log2(w.low, w.high)));
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const std::vector<Loss> all = losses(e);
    if (all.empty()) return;
    const Loss &worst = all.front();
    const bool harmful = worst.retained_known ? worst.retained < costly_retained : worst.lost >= half_lost;
    Finding f;
    f.detector = gradient_underflow.info.id;
    const bool broken = worst.retained_known && worst.retained < broken_retained;
    // A loss that is not finite makes the scaler halve for ever, and the gradients vanish with the scale.
    // So it is when the backward pass makes a NaN that no scale cures.
    const auto arithmetic = std::find_if(findings.begin(), findings.end(), [](const Finding &found) {
        return found.detector == nan_source.info.id && found.severity == Severity::critical;
    });
    const bool by_arithmetic = arithmetic != findings.end();
    const bool lost_first = by_arithmetic && first_step(*worst.tensor) < arithmetic->first_step;
    const bool stands_still = e.comparison.not_finite >= static_cast<std::int64_t>(diverged_tail) ||
                              (!lost_first && 2 * e.comparison.skipped >= e.comparison.steps);
    const bool consequence = (e.origins.forward || by_arithmetic) && stands_still && e.dynamic_scale();
    f.severity = !harmful || consequence                                  ? Severity::info
                 : e.comparison.bad() || (broken && e.comparison.blind()) ? Severity::critical
                                                                          : Severity::warning;
    f.layer = worst.tensor->info.layer;
    f.tensor = worst.tensor->info.name;
    f.first_step = first_step(*worst.tensor);
    f.weight = 80;
    f.evidence = fmt::format("{} of the elements of {} that are non-zero in the fp32 twin are zero",
                             percent(worst.lost), named(worst.tensor->info.name));
    f.evidence += worst.origin == worst.tensor ? fmt::format(" in {}", worst.tensor->info.format)
                                               : fmt::format(", lost in {}, which is {}",
                                                             named(worst.origin->info.name), worst.origin->info.format);
    if (worst.retained_known)
        f.evidence += fmt::format("; the gradient of {} retains {} of fp32's", named(f.layer), percent(worst.retained));
    f.evidence += '.';
    std::vector<std::string> layers;
    for (const Loss &loss : all)
        if (loss.tensor->info.layer != f.layer &&
            (!harmful || !loss.retained_known || loss.retained < costly_retained) &&
            std::find(layers.begin(), layers.end(), loss.tensor->info.layer) == layers.end())
            layers.push_back(loss.tensor->info.layer);
    if (!layers.empty()) f.evidence += fmt::format(" Also {}.", name_list(layers));
    const number::Format &format = format_named(worst.origin->info.format);
    const bool unscaled = e.run.run.loss_scale_rule.empty() || e.run.run.loss_scale_rule == "none";
    f.cause = fmt::format("Gradients of {} are below 2^{}, where {} rounds to zero{}.", named(worst.origin->info.layer),
                          underflow_threshold_log2(format), format.name,
                          unscaled ? ", and no loss scale lifts them" : ", even with the loss scale of this run");
    if (harmful) {
        f.remedy = remedy_for(e);
    } else {
        f.cause += " What is lost is too small to matter: the gradient keeps its length and direction.";
        f.remedy = "None needed.";
    }
    findings.push_back(std::move(f));
}

} // namespace

const Detector gradient_underflow{{"gradient-underflow", "Gradient underflow",
                                   "Gradient tensors in 16 bits: the share of elements non-zero in the fp32 twin that "
                                   "are zero in the recipe, and what the "
                                   "gradient of the layer retains of fp32's.",
                                   "Named from 1 % lost. Harmful when the layer's gradient retains less than 0.9 (or "
                                   "half of a tensor is lost and fidelity "
                                   "was not sampled); critical when the loss curve is bad too. The count alone never "
                                   "judges: 77 % lost can be harmless.",
                                   "A loss multiplied by 2^-25 has gradients around 2^-27; fp16 rounds everything up "
                                   "to 2^-25 to zero. With a loss scale of "
                                   "1024 they are around 2^-17 and survive.",
                                   "Loss scaling, dynamic or static within the window the report gives; or bf16."},
                                  find};

} // namespace halfscope::analysis
