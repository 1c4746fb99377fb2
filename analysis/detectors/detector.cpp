#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace halfscope::analysis {

bool Evidence::dynamic_scale() const {
    const std::string &rule = run.run.loss_scale_rule;
    return !rule.empty() && rule != "none" && !rule.starts_with("static");
}

bool Evidence::updates_are_fp32s() const {
    const auto sound = [](const PooledFidelity &f) { return f.is_fp32s(); };
    return comparison.first_not_finite < 0 && 20 * comparison.skipped <= comparison.steps && sound(fidelity.late) &&
           sound(fidelity.all) && fidelity.broken_samples == 0 &&
           std::all_of(fidelity.layers.begin(), fidelity.layers.end(), [](const LayerFidelity &l) {
               return !l.all.known() || !l.all.retains_less_than(costly_retained);
           });
}

double Evidence::setting(std::initializer_list<std::string_view> names, double absent) const {
    for (const std::string_view name : names) {
        const auto at = session.settings.find(std::string(name));
        if (at == session.settings.end()) continue;
        double value = 0;
        const char *end = at->second.data() + at->second.size();
        if (std::from_chars(at->second.data(), end, value).ec == std::errc()) return value;
    }
    return absent;
}

std::pair<double, double> Evidence::betas() const {
    std::pair<double, double> betas{0.9, 0.999};
    const auto at = session.settings.find("betas");
    if (at == session.settings.end()) return betas;
    const char *end = at->second.data() + at->second.size();
    const auto first = std::from_chars(at->second.data(), end, betas.first);
    const char *second = first.ptr == end ? end : first.ptr + 1;
    while (second != end && *second == ' ') ++second;
    (void)std::from_chars(second, end, betas.second);
    return betas;
}

Finding finding_at(const Detector &detector, Severity severity, const TensorHistory &tensor, std::int64_t first_step,
                   double weight) {
    Finding f;
    f.detector = detector.info.id;
    f.severity = severity;
    f.layer = tensor.info.layer;
    f.tensor = tensor.info.name;
    f.first_step = first_step;
    f.weight = weight;
    return f;
}

std::span<const Detector> detectors() {
    static const std::array all{norm_variance_overflow,
                                mask_constant,
                                attention_logits,
                                exponential_overflow,
                                cubic_overflow,
                                sum_overflow,
                                product_overflow,
                                residual_growth,
                                forward_overflow,
                                weight_underflow,
                                rounded_hyperparameters,
                                gradient_norm_overflow,
                                optimizer_underflow,
                                saturated_sigmoid,
                                clamp_rounds_to_one,
                                log_of_lost_eps,
                                norm_eps_lost,
                                nan_source,
                                lost_weight_updates,
                                gradient_underflow,
                                no_scale_fits,
                                clip_before_unscale,
                                backward_overflow,
                                scale_collapse,
                                scale_runaway,
                                stuck_second_moment,
                                unrepresentable_integers,
                                coarse_output,
                                mean_overflow,
                                narrow_accumulation,
                                gradient_attenuation,
                                coarse_phase,
                                coarse_logits,
                                sum_saturation,
                                activation_growth,
                                gradient_underflow_trend,
                                lost_weight_decay,
                                subnormal_flush,
                                subnormal_gradients,
                                gradient_accumulation,
                                all_reduce_overflow,
                                stuck_ema,
                                stuck_step_counter,
                                running_statistics,
                                biased_attention_rounding};
    return all;
}

const DetectorInfo *find_detector(std::string_view id) {
    for (const Detector &detector : detectors())
        if (detector.info.id == id) return &detector.info;
    return nullptr;
}

std::string_view wider_format(std::string_view format) {
    return format_named(format).exponent_bits < 8 ? "bf16" : "fp32";
}

} // namespace halfscope::analysis
