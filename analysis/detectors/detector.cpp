#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"

#include <array>
#include <charconv>

namespace halfscope::analysis {

bool Evidence::dynamic_scale() const {
    const std::string &rule = run.run.loss_scale_rule;
    return !rule.empty() && rule != "none" && !rule.starts_with("static");
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

std::span<const Detector> detectors() {
    static const std::array all{
        norm_variance_overflow, forward_overflow,         optimizer_underflow, nan_source,
        lost_weight_updates,    gradient_underflow,       backward_overflow,   scale_collapse,
        activation_growth,      gradient_underflow_trend, lost_weight_decay,   subnormal_gradients};
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
