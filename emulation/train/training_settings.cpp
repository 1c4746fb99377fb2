#include "emulation/train/training_settings.h"

#include "emulation/train/nearest_name.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <vector>

namespace halfscope::train {
namespace {
constexpr std::array<std::string_view, 3> optimizer_names{"sgd", "adam", "adamw"};
}

std::string_view name_of(OptimizerKind kind) { return optimizer_names[static_cast<std::size_t>(kind)]; }

OptimizerKind optimizer_named(std::string_view name) {
    for (std::size_t i = 0; i < optimizer_names.size(); ++i)
        if (optimizer_names[i] == name) return static_cast<OptimizerKind>(i);
    const std::vector<std::string> names(optimizer_names.begin(), optimizer_names.end());
    throw std::invalid_argument("no optimizer is called '" + std::string(name) + "'" + did_you_mean(name, names) +
                                "; there are sgd, adam, adamw");
}

double learning_rate_at(const TrainingSettings &settings, std::int64_t step) {
    const double full = settings.optimizer.learning_rate;
    if (step < settings.warmup) return full * static_cast<double>(step + 1) / static_cast<double>(settings.warmup);
    if (!settings.cosine) return full;
    const auto rest = static_cast<double>(std::max<std::int64_t>(1, settings.steps - settings.warmup));
    const double done = std::min(1.0, static_cast<double>(step - settings.warmup) / rest);
    return full * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

} // namespace halfscope::train
