// rounded-hyperparameters: betas, eps or learning rate rounded to the optimizer state's format.
//
// What it looks for. Frameworks that keep hyperparameters as tensors of the state's type round them: beta2 = 0.999 is 1
// in bf16, and 1 - beta2 = 0, so that v stays zero for ever; 1e-8 is zero in fp16 (hazard U10). The arithmetic is
// exact, so the settings tell.
//
// Threshold. 1 - beta, eps or the learning rate changed by more than a tenth. Critical when the outcome is bad.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double a_tenth = 0.1;

/// To nearest even, without an upper limit: hyperparameters are small.
double rounded(double value, const number::Format &format) {
    if (!(value > 0)) return value;
    const int binade = std::max(format.emin, static_cast<int>(std::floor(std::log2(value))));
    const double spacing = std::ldexp(1.0, binade - (format.precision - 1));
    return std::nearbyint(value / spacing) * spacing;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const auto asked = e.session.settings.find("round-hyperparameters");
    const number::Format &state = format_named(e.run.run.state_format);
    if (asked == e.session.settings.end() || asked->second != "true" || !is_reduced(state)) return;
    std::vector<std::string> changed;
    const auto compare = [&](const std::string &what, double exact, double used) {
        if (exact > 0 && std::abs(used / exact - 1) > a_tenth)
            changed.push_back(fmt::format("{} becomes {} instead of {}", what, figure(used), figure(exact)));
    };
    if (e.run.run.optimizer.starts_with("adam")) {
        const auto [beta1, beta2] = e.betas();
        compare("1 - beta1", 1 - beta1, 1 - rounded(beta1, state));
        compare("1 - beta2", 1 - beta2, 1 - rounded(beta2, state));
        const double eps = e.setting({"eps", "epsilon"}, 1e-8);
        compare("eps", eps, rounded(eps, state));
    }
    const double rate = e.setting({"lr"}, 0);
    compare("the learning rate", rate, rounded(rate, state));
    if (changed.empty()) return;
    Finding f;
    f.detector = rounded_hyperparameters.info.id;
    f.severity = e.comparison.bad() ? Severity::critical : Severity::warning;
    f.first_step = e.run.steps.empty() ? -1 : e.run.steps.front().step;
    f.weight = 96;
    f.evidence = fmt::format("Rounded to {}, {}.", state.name, fmt::join(changed, ", "));
    f.cause =
        fmt::format("The optimizer's hyperparameters are rounded to the format of its state, {}, and are no longer "
                    "what was asked for.",
                    state.name);
    f.remedy = fmt::format("Keep hyperparameters in fp32 or as Python numbers, or choose values that {} holds (beta2 = "
                           "0.99).",
                           state.name);
    findings.push_back(std::move(f));
}

} // namespace

const Detector rounded_hyperparameters{
    {"rounded-hyperparameters", "Rounded hyperparameters",
     "An optimizer that rounds betas, eps and learning rate to its state's format, and a 1 - beta, an eps or a rate "
     "that "
     "changes by that.",
     "Exact, from the settings; more than a tenth. Critical when the outcome is bad.",
     "beta2 = 0.999 in bf16 is 1: 1 - beta2 = 0, v stays 0, and each step is m / eps.",
     "Hyperparameters in fp32, or values the format holds."},
    find};

} // namespace halfscope::analysis
