// optimizer-underflow: Adam's denominator loses its eps or its second moment.
//
// What it looks for. Adam divides by sqrt(v) + eps. Where the state is kept in 16 bits, two things vanish. (1) eps:
// 1e-8 is below 2^-25 and is zero in fp16, so an element whose gradient is zero divides 0 by 0 and becomes NaN at the
// first step (hazard U08: optax #1754, pytorch #8860). (2) v: it holds squares of gradients, so a gradient below
// 2^-12.5 = 1.7e-4 has a v of zero in fp16; with eps gone too the update is m / 0 = inf, with a larger eps it is m /
// eps, far too long (U07). bf16 has fp32's range: there neither happens.
//
// Which tensors. Optimizer state named `<weight>.v` (or `.exp_avg_sq`), against the twin's, and the setting eps rounded
// to the state's format.
//
// Threshold. eps: exact, it is zero or it is not. v: at least 10 % of the elements non-zero in fp32 are zero here (the
// share of steps lost from which an outcome counts as worse). Critical when the outcome is bad or updates came out not
// finite or more than twice too long; else a warning, because with every gradient well above 2^-12 a lost eps is
// harmless.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double telling_loss = 0.10;

bool is_second_moment(std::string_view name) { return name.ends_with(".v") || name.ends_with("exp_avg_sq"); }

struct SecondMoment {
    const TensorHistory *worst = nullptr;
    double lost = 0;
    std::vector<std::string> layers;
};

SecondMoment lost_second_moments(const Evidence &e) {
    SecondMoment result;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.role != "optimizer_state" || !is_second_moment(tensor.info.name)) continue;
        double lost = tensor.summary.underflow_share;
        if (const TensorHistory *reference = e.twin ? e.twin->find(tensor.info.name) : nullptr) {
            const double beside_twin = lost_share(tensor, *reference);
            if (beside_twin > lost) lost = beside_twin;
        }
        if (lost < telling_loss) continue;
        result.layers.push_back(tensor.info.layer);
        if (lost > result.lost) {
            result.lost = lost;
            result.worst = &tensor;
        }
    }
    return result;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const trace::Run &run = e.run.run;
    const number::Format &state = format_named(run.state_format);
    if (!run.optimizer.starts_with("adam") || !is_reduced(state)) return;
    const double eps = e.setting({"eps", "epsilon"}, 1e-8);
    const bool eps_lost = eps > 0 && eps <= std::ldexp(1.0, underflow_threshold_log2(state));
    const SecondMoment moment = lost_second_moments(e);
    if (!eps_lost && !moment.worst) return;

    const bool updates_broken = e.fidelity.broken_samples > 0 || e.fidelity.late.retained > overshot_retained ||
                                e.fidelity.late.norm_ratio > overshot_retained || e.origins.optimizer;
    Finding f;
    f.detector = optimizer_underflow.info.id;
    f.severity =
        e.comparison.bad() || (updates_broken && !e.comparison.fine()) ? Severity::critical : Severity::warning;
    f.weight = 92;
    if (moment.worst) {
        f.layer = moment.worst->info.layer;
        f.tensor = moment.worst->info.name;
    }
    if (e.origins.optimizer) {
        f.first_step = e.origins.optimizer.step;
        if (f.layer.empty()) f.layer = e.origins.optimizer.tensor->info.layer;
    }
    if (eps_lost)
        f.evidence = fmt::format("Adam's eps {} is zero in {} (anything up to 2^{} is).", figure(eps), state.name,
                                 underflow_threshold_log2(state));
    if (moment.worst) {
        if (!f.evidence.empty()) f.evidence += ' ';
        f.evidence += fmt::format(
            "{} of the second moments of {} that are non-zero in fp32 are zero in {}{}.", percent(moment.lost),
            named(moment.worst->info.layer), state.name,
            moment.layers.size() > 1
                ? fmt::format(" ({} in all)", counted(static_cast<long long>(moment.layers.size()), "layer"))
                : std::string());
    }
    if (eps_lost)
        f.cause =
            fmt::format("Adam divides by sqrt(v) + eps with eps = 0: where v is zero the update is 0/0 or infinite.");
    else
        f.cause = fmt::format(
            "Second moments underflow in {}, so Adam divides by eps alone and its updates are too long.", state.name);
    f.remedy = fmt::format("Keep optimizer state and master weights in fp32 (or state in bf16){}.",
                           eps_lost ? ", or raise eps to 1e-4 in fp16" : "");
    findings.push_back(std::move(f));
}

} // namespace

const Detector optimizer_underflow{{"optimizer-underflow", "Optimizer underflow (eps, second moment)",
                                    "Adam with 16-bit state: an eps that is zero in the state's format, and second "
                                    "moments that are zero where the fp32 "
                                    "twin's are not.",
                                    "eps: exact. Second moments: 10 % of those non-zero in fp32. Critical when the "
                                    "outcome is bad or updates are not finite "
                                    "or twice too long.",
                                    "eps = 1e-8 < 2^-25 = 2.98e-8 is 0 in fp16; a gradient of 1e-4 has v = 1e-8, also "
                                    "0: the update is m / 0 = inf. A zero "
                                    "gradient gives 0 / 0 = NaN at the first step.",
                                    "Keep optimizer state (and master weights) in fp32; bf16 state also holds eps. In "
                                    "fp16, eps must be at least about 1e-4 "
                                    "in practice."},
                                   find};

} // namespace halfscope::analysis
