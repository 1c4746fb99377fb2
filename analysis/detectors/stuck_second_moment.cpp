// stuck-second-moment: v * beta2 is v again, so Adam's second moment cannot come down.
//
// What it looks for. Adam with its state in 16 bits. Each step v becomes beta2 v + (1 - beta2) g^2; with beta2 = 0.999
// it may shrink by a thousandth, and bf16 keeps a number from changing by less than 1/512 to 1/256: v rises with large
// early gradients and stays there for good (hazard U06), and updates are too short from then on. fp16, with three bits
// more, follows.
//
// Which tensors. Optimizer state named `<weight>.v` (or `.exp_avg_sq`): its sum at the last step traced in both runs,
// beside the twin's.
//
// Threshold. Exact arithmetic: 1 - beta2 below 2^-(precision + 1), half the smallest relative spacing. And it must
// show: v at least 1.5 times the twin's (updates go with 1 / sqrt(v): 1.5 costs a fifth of their length), or at most
// 2/3. Both runs' gradients are much the same while both train. Critical when the outcome is bad and fidelity, which
// starts each sample from the recipe's own v and so sees only one step of this, does not matter here.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double telling_ratio = 1.5;

bool is_second_moment(std::string_view name) { return name.ends_with(".v") || name.ends_with("exp_avg_sq"); }

/// The recipe's sum over the twin's at the last step both traced; 0 when there is none.
double ratio_at_end(const TensorHistory &mine, const TensorHistory &theirs) {
    for (std::size_t i = mine.summary.steps.size(); i-- > 0;)
        for (std::size_t t = theirs.summary.steps.size(); t-- > 0;)
            if (mine.summary.steps[i] == theirs.summary.steps[t])
                return theirs.sum_abs_by_step[t] > 0 ? mine.sum_abs_by_step[i] / theirs.sum_abs_by_step[t] : 0;
    return 0;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const trace::Run &run = e.run.run;
    const number::Format &state = format_named(run.state_format);
    if (!run.optimizer.starts_with("adam") || !is_reduced(state) || !e.twin) return;
    const double beta2 = e.betas().second, needed = std::ldexp(1.0, -(state.precision + 1));
    if (!(beta2 < 1) || 1 - beta2 >= needed) return;
    const TensorHistory *worst = nullptr;
    double worst_ratio = 1;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.role != "optimizer_state" || !is_second_moment(tensor.info.name)) continue;
        const TensorHistory *reference = e.twin->find(tensor.info.name);
        const double ratio = reference ? ratio_at_end(tensor, *reference) : 0;
        if (ratio <= 0 || !std::isfinite(ratio)) continue;
        if (worst && std::abs(std::log(ratio)) <= std::abs(std::log(worst_ratio))) continue;
        worst = &tensor;
        worst_ratio = ratio;
    }
    if (!worst || (worst_ratio < telling_ratio && worst_ratio > 1 / telling_ratio)) return;
    Finding f;
    f.detector = stuck_second_moment.info.id;
    f.severity = e.comparison.bad() ? Severity::critical : Severity::warning;
    f.layer = worst->info.layer;
    f.tensor = worst->info.name;
    f.first_step = worst->summary.steps.back();
    f.weight = 79;
    f.evidence =
        fmt::format("1 - beta2 = {} is below {}, half of the closest spacing of {}; at step {} the sum of {} is "
                    "{} times the fp32 twin's.",
                    figure(1 - beta2), figure(needed), state.name, f.first_step, named(f.tensor), figure(worst_ratio));
    f.cause =
        fmt::format("v * {} rounds back to v in {}: second moments cannot come down, and Adam's steps stay as short "
                    "as the largest gradients made them.",
                    figure(beta2), state.name);
    f.remedy = fmt::format("Keep optimizer state in fp32, or use a beta2 of at most {}.", figure(1 - 4 * needed));
    findings.push_back(std::move(f));
}

} // namespace

const Detector stuck_second_moment{{"stuck-second-moment", "Second moment stuck",
                                    "Adam with 16-bit state and a 1 - beta2 below half the closest spacing of the "
                                    "state's format, whose second moments "
                                    "end 1.5 times above (or below) the fp32 twin's.",
                                    "Exact: 1 - beta2 < 2^-(precision + 1), 2^-9 in bf16 and 2^-12 in fp16; and a "
                                    "ratio of 1.5, which costs a fifth of "
                                    "the update's length. Both are needed: the arithmetic alone is not harm.",
                                    "beta2 = 0.999 in bf16: 1.0 * 0.999 = 0.999 rounds to 1.0 (its lower neighbour is "
                                    "0.996). After 1000 steps without a "
                                    "gradient v is still 1.0; in fp32 it is 0.37.",
                                    "Optimizer state in fp32, or a smaller beta2 (0.99)."},
                                   find};

} // namespace halfscope::analysis
