// sum-saturation: a sum stops growing, because each further term is below half a spacing of what has been added up.
//
// What it looks for. An accumulator in 16 bits: ones stop at 2048 in fp16 and at 256 in bf16, 0.1 stops at 256 and 32
// (hazards A16, H02: graph aggregation, fp16 accumulation inside a matrix product). Nothing overflows and nothing
// underflows; the result is simply too small.
//
// How it shows. At the first traced step recipe and twin still have the same weights and the same batch, so each
// forward tensor should have the twin's sum of magnitudes to within a rounding. The first product or sum that falls
// short of it by more, while everything before agrees, made the loss itself.
//
// Threshold. Short by more than four times the format's relative spacing (2^-precision): sums of many rounded values
// agree to well within one. "Agrees" means the same of magnitudes and of squares. Critical when the outcome is bad.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double spacings = 4;
constexpr double little_underflow = 0.01;

bool adds_up(std::string_view operation) {
    constexpr std::array<std::string_view, 7> names{"matmul",       "convolution",    "reduce_sum",     "reduce_mean",
                                                    "average_pool", "cumulative_sum", "gather_gradient"};
    return std::find(names.begin(), names.end(), operation) != names.end();
}

/// Sum of magnitudes and log2 of the root mean square at a step; not finite when it was not traced or held inf or NaN.
struct Size {
    double sum = std::nan(""), log2_rms = std::nan("");
};
Size size_at(const TensorHistory &tensor, std::int64_t step) {
    const auto &steps = tensor.summary.steps;
    const auto at = std::lower_bound(steps.begin(), steps.end(), step);
    if (at == steps.end() || *at != step || tensor.events_at(step) != 0) return {};
    const auto i = static_cast<std::size_t>(at - steps.begin());
    return {tensor.sum_abs_by_step[i], tensor.log2_rms_by_step[i]};
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    if (!e.twin || e.run.steps.empty()) return;
    const std::int64_t step = e.run.steps.front().step;
    const double tolerance = spacings * std::ldexp(1.0, -format_named(e.run.run.compute_format).precision);
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.backward || tensor.info.role == "weight") continue;
        const TensorHistory *reference = e.twin->find(tensor.info.name);
        if (!reference) continue;
        const auto [own, own_rms] = size_at(tensor, step);
        const auto [theirs, their_rms] = size_at(*reference, step);
        if (!(theirs > 0) || !std::isfinite(own)) continue;
        if (std::abs(own / theirs - 1) < tolerance && std::abs(std::exp2(own_rms - their_rms) - 1) < tolerance)
            continue;
        // Only sums of terms of one sign stop growing; cancellation magnifies what was rounded before.
        const bool falls_short = own < (1 - tolerance) * theirs && own_rms < their_rms;
        if (!adds_up(tensor.info.operation) || !falls_short || tensor.summary.underflow_share > little_underflow)
            return;
        Finding f = finding_at(sum_saturation, e.severity_if_bad(Severity::warning), tensor, step, 82);
        f.evidence =
            fmt::format("At step {}, with the same weights and batch, the magnitudes of {} add up to {} of the "
                        "fp32 twin's, while everything before it agrees; nothing overflows or underflows.",
                        step, named(f.tensor), percent(own / theirs));
        f.cause = fmt::format("The sums of `{}` in {} are added up in 16 bits: once a sum is large, further terms are "
                              "rounded away.",
                              tensor.info.operation, named(f.layer));
        f.remedy = fmt::format("Accumulate {} in fp32 (PyTorch: allow_fp16_reduced_precision_reduction = False; a hand-"
                               "written kernel: an fp32 accumulator), or sum in chunks.",
                               named(f.layer));
        findings.push_back(std::move(f));
        return;
    }
}

} // namespace

const Detector sum_saturation{
    {"sum-saturation", "Sum stops growing (16-bit accumulator)",
     "The first forward product or sum whose magnitudes at the first step, where weights and batch are the twin's, add "
     "up "
     "to clearly less than the twin's, while everything before agrees.",
     "Short by more than four of the format's relative spacings (0.2 % in fp16, 1.6 % in bf16), in magnitudes and in "
     "squares. Critical when the outcome is bad.",
     "10000 messages of 0.1 added one by one: 1000 in truth, 256 in fp16 (0.1 is below half of the spacing 0.25 "
     "there), 32 "
     "in bf16.",
     "An fp32 accumulator, or sums in chunks."},
    find};

} // namespace halfscope::analysis
