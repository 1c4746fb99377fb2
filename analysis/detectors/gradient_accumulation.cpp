// gradient-accumulation-16bit: gradients of micro-batches, or of ranks, are added up in 16 bits and the later ones are
// rounded away.
//
// What it looks for. A sum of n gradients of one sign grows to n times its terms; bf16 keeps a sum from changing by
// less than 1/512 to 1/256 of itself, so it stops after some hundred terms (256 + 1 = 256), and what comes late in the
// step is lost. fp16 follows at 2048. Terms of changing sign make sums that stay small, and lose nothing worth naming
// (hazard G13; its near-miss is a few micro-batches). The same holds for an all-reduce.
//
// Which figures. Sampled steps add the same terms up in double beside the recipe's sum (trace::Drift, "gradient_sum"),
// so what the sum retains of the exact one was lost in the adding and nowhere else.
//
// Threshold. A weight's sum that retains less than 0.9 late in the run (one step in ten: update_fidelity.h), or that is
// off by half the length of the exact one, whatever it retains: a quarter of the steps' squared length is then noise.
// Critical when the outcome is bad.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/drift_history.h"
#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

/// A sum so far from the exact one, in parts of its length, points elsewhere as well.
constexpr double lost_direction = 0.5;

void find(const Evidence &e, std::vector<Finding> &findings) {
    std::vector<DriftHistory> sums = drifts_of(e.run, "gradient_sum");
    std::erase_if(sums, [](const DriftHistory &sum) {
        return sum.late_retained >= costly_retained && sum.late_distance < lost_direction;
    });
    if (sums.empty()) return;
    std::stable_sort(sums.begin(), sums.end(),
                     [](const auto &a, const auto &b) { return a.late_retained < b.late_retained; });
    const DriftHistory &worst = sums.front();
    const number::Format &format = format_named(worst.format);
    Finding f;
    f.detector = gradient_accumulation.info.id;
    f.severity = e.severity_if_bad(Severity::warning);
    f.layer = worst.layer;
    f.tensor = worst.name;
    for (const trace::Drift *sample : worst.samples)
        if (sample->retained < costly_retained && f.first_step < 0) f.first_step = sample->step;
    f.weight = 89;
    f.evidence = fmt::format("Of {} gradients added up in {}, the sum of {} retains {} of the exact sum of the same "
                             "terms late in the run, and is off by {} of its length.",
                             worst.last().terms, worst.format, named(worst.name), percent(worst.late_retained),
                             percent(worst.late_distance));
    std::vector<std::string> others;
    for (const DriftHistory &sum : sums)
        if (sum.layer != f.layer && std::find(others.begin(), others.end(), sum.layer) == others.end())
            others.push_back(sum.layer);
    if (!others.empty()) f.evidence += fmt::format(" Also {}.", name_list(others));
    f.cause = fmt::format("Gradients are added up in {}: a sum {} times its next term is not changed by it, so later "
                          "micro-batches are lost.",
                          format.name, figure(std::ldexp(1.0, format.precision)));
    f.remedy =
        "Add gradients up in fp32 (gradients = \"fp32\", all-reduce = \"fp32\": an fp32 main_grad), or use fewer "
        "and larger micro-batches.";
    findings.push_back(std::move(f));
}

} // namespace

const Detector gradient_accumulation{
    {"gradient-accumulation-16bit", "Gradients accumulated in 16 bits",
     "Sums of micro-batches' or ranks' gradients kept in 16 bits, beside the exact sum of the same terms at sampled "
     "steps.",
     "The sum retains less than 0.9 of the exact one late in the run (one step in ten is lost), or is off by half its "
     "length. Critical when the outcome is bad.",
     "The neighbours of 256 in bf16 are 255 and 258: 256 + 1 = 256. 0.1 added 10000 times makes 32 in bf16, 256 in "
     "fp16, 1000 in truth.",
     "An fp32 accumulator beside 16-bit gradients (`gradients = \"fp32\"`), reductions in fp32 (`all-reduce = "
     "\"fp32\"`), or fewer micro-batches."},
    find};

} // namespace halfscope::analysis
