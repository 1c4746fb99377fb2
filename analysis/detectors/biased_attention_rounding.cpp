// biased-attention-rounding: what softmax weights make of the values is rounded one way more often than the other.
//
// What it looks for. Rounding to nearest errs as often up as down on values that do not know of the grid. The product
// of softmax weights and values knows: where one weight is 1 (or two equal ones share a row), the sum is a value that
// is already a number of the format plus a small rest of one sign, and the rest is dropped each time, or tips each tie
// the same way (hazard T05). A fused attention takes the row sums of dO * O from that very output, so its error does
// not average out: the gradients of a row's scores no longer sum to zero, and what scores share, a direction that the
// loss does not see, is pushed the same way step after step. In a GPT-2 trained in bf16 that ended in a diverging loss
// after thousands of steps (Qiu and Yao, "Why Low-Precision Transformer Training Fails", 2025).
//
// Threshold. Over all traced steps the mean error of the magnitude is at least a quarter of the root mean square error,
// and eight times what independent errors would leave. By itself that is information: most runs survive it. It is a
// warning where the scores' gradients sum to a twentieth of their magnitudes and to twice the twin's share (a softmax's
// own gradient subtracts the row sum of P * dP and keeps it at zero; an exponential that nothing divides by does not
// sum to zero in either run), and critical when the outcome is bad besides.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/forward_neighbours.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double clear_share = 0.25, clear_deviations = 8, clear_drift = 0.05, beyond_twin = 2;

/// Mean error of the magnitude in root mean square errors, between -1 and 1, and in standard deviations of what
/// independent errors without a bias would leave. Step by step, then averaged: a step of large values counts as others.
struct Bias {
    double share = 0, deviations = 0;
    [[nodiscard]] bool clear() const {
        return std::abs(share) >= clear_share && std::abs(deviations) >= clear_deviations;
    }
};

Bias bias_of(const TensorHistory &tensor) {
    double sum = 0, rounded_steps = 0;
    for (const float share : tensor.rounding_bias_by_step)
        if (std::isfinite(share)) sum += double{share}, ++rounded_steps;
    if (rounded_steps == 0) return {};
    const auto elements =
        static_cast<double>(tensor.summary.total.count) / static_cast<double>(tensor.rounding_bias_by_step.size());
    return {sum / rounded_steps, sum * std::sqrt(elements / rounded_steps)};
}

/// The operation that made the weights; null when `product` is no such product.
const TensorHistory *weights_of(const RunRanges &ranges, const TensorHistory &product) {
    if (product.info.backward || product.info.operation != "matmul" || !is_reduced(format_named(product.info.format)))
        return nullptr;
    const TensorHistory *softmax = previous_forward(ranges, product, "softmax");
    return softmax ? softmax : previous_forward(ranges, product, "exponential");
}

/// The gradient of what the softmax or exponential read: of the nearest forward tensor before it that has one of its
/// own. Null when none was traced.
const TensorHistory *scores_gradient(const RunRanges &ranges, const TensorHistory &weights) {
    const TensorHistory *nearest = nullptr;
    for (const TensorHistory &tensor : ranges.tensors) { // in execution order
        if (tensor.info.order >= weights.info.order) break;
        if (tensor.info.backward || tensor.info.order + near_operations < weights.info.order) continue;
        if (const TensorHistory *gradient = ranges.find(tensor.info.name + ".grad")) nearest = gradient;
    }
    return nearest;
}

/// Sum of the scores' gradients in sums of their magnitudes, averaged over the steps; 0 when they were not traced.
double gradient_drift(const RunRanges &ranges, const TensorHistory &weights) {
    const TensorHistory *gradient = scores_gradient(ranges, weights);
    if (!gradient || gradient->one_sided_by_step.empty()) return 0;
    double sum = 0;
    for (const float share : gradient->one_sided_by_step)
        if (std::isfinite(share)) sum += double{share};
    return std::abs(sum) / static_cast<double>(gradient->one_sided_by_step.size());
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const TensorHistory *worst = nullptr;
    Bias most;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (!weights_of(e.ranges, tensor)) continue;
        const Bias bias = bias_of(tensor);
        if (bias.clear() && std::abs(bias.share) > std::abs(most.share)) worst = &tensor, most = bias;
    }
    if (!worst) return;
    const TensorHistory &weights = *weights_of(e.ranges, *worst);
    const double drift = gradient_drift(e.ranges, weights);
    const TensorHistory *twin = e.twin ? e.twin->find(weights.info.name) : nullptr;
    const double reference = twin ? gradient_drift(*e.twin, *twin) : 0;
    const bool drifts = twin && drift >= clear_drift && drift >= beyond_twin * reference;
    Finding f = finding_at(biased_attention_rounding, drifts ? e.severity_if_bad(Severity::warning) : Severity::info,
                           *worst, worst->summary.steps.empty() ? -1 : worst->summary.steps.front(), drifts ? 70 : 12);
    f.evidence = fmt::format("{} is rounded to {} with a mean error {} zero of {} of its root mean square error, {} "
                             "times what chance would leave.",
                             named(f.tensor), worst->info.format, most.share < 0 ? "towards" : "away from",
                             percent(std::abs(most.share)), figure(std::abs(most.deviations)));
    if (drifts)
        f.evidence += fmt::format(" The gradients of its scores sum to {} of their magnitudes (fp32 twin: {}).",
                                  percent(drift), percent(reference));
    f.cause =
        drifts
            ? fmt::format("The rounding of {} errs one way, and its row sums carry that into the gradients of "
                          "the scores, which push what scores share in one direction.",
                          named(f.layer))
            : fmt::format("Rows of {} in which one weight is next to 1, or two are equal, round the rest of "
                          "the row to one side. Here it stays in the output; a fused attention (flash) also takes its "
                          "gradients' row sums from it.",
                          named(f.layer));
    f.remedy =
        fmt::format("Keep the output of {} in fp32 until its row sums of dO * O are taken, subtract slightly more "
                    "than the row's maximum where it is reached more than once (so that no weight is exactly 1), "
                    "or normalise queries and keys.",
                    named(f.layer));
    findings.push_back(std::move(f));
}

} // namespace

const Detector biased_attention_rounding{
    {"biased-attention-rounding", "Softmax times values rounded one way",
     "The 16-bit result of a matrix product whose left operand a softmax or exponential made: the sum of its rounding "
     "errors away from zero beside the size of those errors; and whether the gradients of the scores still sum to "
     "nothing.",
     "A mean error of a quarter of the root mean square error, and eight times what independent errors leave. "
     "Information; a warning when the scores' gradients sum to 5 % of their magnitudes and to twice the twin's "
     "share; critical when the outcome is bad besides.",
     "Weights 1, 1, 0.01 on values -2.25, -2.265625, -0.5: without the third the sum -4.515625 is a tie between the "
     "bf16 numbers -4.5 and -4.53125, and the third tips it to -4.53125, whatever its size. Where values of a column "
     "share a sign, every such row errs to the same side.",
     "fp32 for the attention's output while its row sums are taken, a maximum that no weight reaches exactly, or "
     "normalised queries and keys."},
    find};

} // namespace halfscope::analysis
