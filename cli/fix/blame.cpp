#include "cli/fix/blame.h"

#include "analysis/detectors/detector.h"
#include "emulation/train/loss_scaler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace halfscope::cli {
namespace {

using analysis::Finding, analysis::RecipeAssessment, analysis::Severity;

enum class Blame : std::uint8_t { layer, scale, optimizer, kept };

/// The part of the recipe whose format is to blame for what was kept in it.
std::optional<ChangeKind> kept_part(std::string_view id) {
    if (id == analysis::gradient_accumulation.info.id || id == analysis::all_reduce_overflow.info.id)
        return ChangeKind::gradients;
    if (id == analysis::stuck_ema.info.id) return ChangeKind::average;
    if (id == analysis::stuck_step_counter.info.id) return ChangeKind::step_counter;
    if (id == analysis::running_statistics.info.id) return ChangeKind::statistics;
    return std::nullopt;
}

Blame blame_of(const Finding &finding) {
    const std::string_view id = finding.detector;
    if (kept_part(id)) return Blame::kept;
    for (const auto *detector :
         {&analysis::gradient_underflow, &analysis::gradient_underflow_trend, &analysis::gradient_attenuation,
          &analysis::no_scale_fits, &analysis::backward_overflow, &analysis::scale_runaway,
          &analysis::subnormal_gradients, &analysis::subnormal_flush})
        if (id == detector->info.id) return Blame::scale;
    for (const auto *detector : {&analysis::lost_weight_updates, &analysis::lost_weight_decay,
                                 &analysis::optimizer_underflow, &analysis::stuck_second_moment})
        if (id == detector->info.id) return Blame::optimizer;
    return Blame::layer;
}

/// Whether the tensor belongs to the optimizer: its layer's forward pass is not what makes it.
bool is_optimizers(const RecipeAssessment &assessment, const std::string &tensor) {
    for (const auto &layer : assessment.layers)
        for (const auto &summary : layer.tensors)
            if (summary.name == tensor)
                return summary.role == "optimizer_state" || summary.role == "update" || summary.role == "weight";
    return false;
}

/// The layer whose gradients overflow first when the loss scale rises.
std::string loudest_layer(const RecipeAssessment &assessment) {
    std::string name;
    int lowest = std::numeric_limits<int>::max();
    for (const auto &layer : assessment.layers)
        if (layer.scale_window_log2 && layer.scale_window_log2->second < lowest) {
            lowest = layer.scale_window_log2->second;
            name = layer.name;
        }
    return name;
}

class Suggestions {
  public:
    Suggestions(const RecipeAssessment &assessment, const train::Recipe &recipe, const std::vector<Change> &parts,
                const std::vector<std::string> &layers)
        : assessment_(assessment), recipe_(recipe), parts_(parts), layers_(layers) {}

    void add(const Finding &finding) {
        // Settings cost nothing, so they go before what holds more memory.
        if (finding.detector == analysis::clip_before_unscale.info.id) return part(ChangeKind::clipping);
        if (finding.detector == analysis::optimizer_underflow.info.id) part(ChangeKind::epsilon);
        if (finding.detector == analysis::rounded_hyperparameters.info.id) {
            part(ChangeKind::hyperparameters);
            return optimizer();
        }
        switch (blame_of(finding)) {
        case Blame::scale:
            scale();
            layer(finding.layer);
            if (finding.detector == analysis::no_scale_fits.info.id) layer(loudest_layer(assessment_));
            return;
        case Blame::optimizer: optimizer(); return;
        case Blame::kept: part(*kept_part(finding.detector)); return;
        case Blame::layer: break;
        }
        if (is_optimizers(assessment_, finding.tensor)) {
            optimizer();
        } else if (finding.layer.empty()) {
            scale();
        } else {
            layer(finding.layer);
        }
    }
    void scale() {
        if (const auto change = loss_scale_change(assessment_, recipe_)) put(*change);
    }
    void optimizer() {
        part(ChangeKind::masters);
        part(ChangeKind::state);
    }
    void layer(const std::string &name) {
        if (std::find(layers_.begin(), layers_.end(), name) != layers_.end()) put({ChangeKind::layer, name});
    }
    [[nodiscard]] std::vector<Change> take() && { return std::move(changes_); }

  private:
    /// Nothing where the recipe has it in fp32 already.
    void part(ChangeKind kind) {
        for (const Change &change : parts_)
            if (change.kind == kind) put(change);
    }
    void put(const Change &change) {
        if (std::find(changes_.begin(), changes_.end(), change) == changes_.end()) changes_.push_back(change);
    }

    const RecipeAssessment &assessment_;
    const train::Recipe &recipe_;
    const std::vector<Change> &parts_;
    const std::vector<std::string> &layers_;
    std::vector<Change> changes_;
};

constexpr std::size_t most_layers_by_fidelity = 8;
/// A layer that keeps more of its update than this is not to blame (update_fidelity.h calls less "costly").
constexpr double blameless = analysis::costly_retained;

/// What the layer's updates keep of fp32's; 1 where it was not sampled, 0 where it is not a number.
double retained(const analysis::LayerSummary &layer) {
    if (!layer.fidelity_retained) return 1;
    return std::isfinite(*layer.fidelity_retained) ? *layer.fidelity_retained : 0;
}

/// Layers with the least faithful updates first, those that overflow before them.
std::vector<const analysis::LayerSummary *> by_blame(const RecipeAssessment &assessment) {
    std::vector<const analysis::LayerSummary *> layers;
    for (const auto &layer : assessment.layers) layers.push_back(&layer);
    const auto gravity = [](const analysis::LayerSummary *layer) {
        double overflows = 0;
        for (const auto &tensor : layer->tensors) overflows = std::max(overflows, tensor.overflow_share);
        return std::tuple(-overflows, retained(*layer));
    };
    std::stable_sort(layers.begin(), layers.end(),
                     [&](const auto *a, const auto *b) { return gravity(a) < gravity(b); });
    return layers;
}

} // namespace

std::optional<Change> loss_scale_change(const RecipeAssessment &assessment, const train::Recipe &recipe) {
    if (recipe.compute != ops::DType::fp16 || !assessment.scale_window_log2) return std::nullopt;
    const auto [low, high] = *assessment.scale_window_log2;
    if (high < 0) return std::nullopt; // gradients overflow unscaled
    const double scale = std::ldexp(1.0, analysis::recommended_scale_log2(low, high));
    const train::LossScaleKind kind = train::parse_loss_scale(recipe.loss_scale).kind;
    const bool dynamic = kind != train::LossScaleKind::none && kind != train::LossScaleKind::constant;
    return Change{ChangeKind::loss_scale, fmt::format("{}{:.0f}", dynamic ? "static:" : "torch:init=", scale)};
}

std::vector<Change> blamed_changes(const RecipeAssessment &assessment, const train::Recipe &recipe,
                                   const std::vector<Change> &parts, const std::vector<std::string> &layers) {
    Suggestions suggestions(assessment, recipe, parts, layers);
    const auto &findings = assessment.findings;
    const bool named = !findings.empty() && findings.front().severity > Severity::info;
    if (named) {
        const Severity gravest = findings.front().severity;
        for (const Finding &finding : findings)
            if (finding.severity == gravest && blame_of(finding) == Blame::scale) suggestions.scale();
        for (const Finding &finding : findings)
            if (finding.severity > Severity::info) suggestions.add(finding);
    } else {
        std::size_t taken = 0;
        for (const auto *layer : by_blame(assessment))
            if (retained(*layer) < blameless && taken++ < most_layers_by_fidelity) suggestions.layer(layer->name);
    }
    return std::move(suggestions).take();
}

std::vector<Change> layers_by_blame(const RecipeAssessment &assessment, const std::vector<std::string> &layers) {
    std::vector<Change> changes;
    const auto put = [&](const std::string &name) {
        const Change change{ChangeKind::layer, name};
        const bool known = std::find(layers.begin(), layers.end(), name) != layers.end();
        if (known && std::find(changes.begin(), changes.end(), change) == changes.end()) changes.push_back(change);
    };
    for (const auto *layer : by_blame(assessment)) put(layer->name);
    for (const std::string &layer : layers) put(layer); // those that were not traced
    return changes;
}

} // namespace halfscope::cli
