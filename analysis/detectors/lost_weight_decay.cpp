// lost-weight-decay: w * (1 - lr * wd) is w again.
//
// What it looks for. Decoupled weight decay (AdamW) on 16-bit weights without masters: the factor 1 - lr * wd rounds to
// 1, or the product rounds back to w, unless lr * wd exceeds half an ulp, 2^-9 (bf16) or 2^-12 (fp16) of the weight at
// the least favourable point. lr 1e-3 and decay 0.1 leave w = 1.0 unmoved for ever in both formats (hazard U04;
// OneTrainer #996).
//
// Threshold. Exact arithmetic from the settings: lr * wd below 2^-(precision + 1) is lost for every weight. It changes
// regularisation and not the loss of a short run, so it is a warning, never critical, and the verdict does not turn on
// it.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

void find(const Evidence &e, std::vector<Finding> &findings) {
    const trace::Run &run = e.run.run;
    const number::Format &format = format_named(run.weight_format);
    if (run.master_weights || !is_reduced(format) || run.optimizer != "adamw") return;
    if (run.recipe.ends_with("-sr") || run.recipe.ends_with("-kahan"))
        return; // rounding that forgets nothing on average
    const double decay = e.setting({"weight-decay", "weight_decay"}, 0.0);
    double rate = 0;
    for (const trace::Step &step : e.run.steps) rate = std::max(rate, step.learning_rate);
    const double shrink = rate * decay;
    const double half_ulp = std::ldexp(1.0, -(format.precision + 1));
    if (!(shrink > 0) || shrink >= half_ulp) return;
    Finding f;
    f.detector = lost_weight_decay.info.id;
    f.severity = Severity::warning;
    f.weight = 20;
    f.evidence = fmt::format("Learning rate times weight decay is {}, below {}, half the relative spacing of {}.",
                             figure(shrink), figure(half_ulp), format.name);
    f.cause =
        fmt::format("w * (1 - {}) rounds back to w in {}: no weight decay is applied.", figure(shrink), format.name);
    f.remedy = "Keep fp32 master weights, or fold the decay into the update before it is rounded.";
    findings.push_back(std::move(f));
}

} // namespace

const Detector lost_weight_decay{{"lost-weight-decay", "Lost weight decay",
                                  "AdamW on 16-bit weights without masters whose learning rate times decay is below "
                                  "half the spacing of the weights.",
                                  "Exact: lr * decay < 2^-(precision + 1), 2^-9 in bf16 and 2^-12 in fp16. A warning "
                                  "only: short runs do not show it.",
                                  "lr 1e-3, decay 0.1: the factor is 0.9999. 1.0 * 0.9999 is 1.0 in bf16 and in fp16, "
                                  "after 10000 steps too; in fp32 it "
                                  "is 0.368.",
                                  "Keep fp32 master weights, or fold the decay into the update before rounding."},
                                 find};

} // namespace halfscope::analysis
