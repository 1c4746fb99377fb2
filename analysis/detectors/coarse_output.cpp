// coarse-output: the output's grid is too coarse for the target.
//
// What it looks for. A regression whose prediction is stored in 16 bits before the loss reads it. Values near 300 are 2
// apart in bf16: whatever the network computes, the mean squared error cannot fall below the rounding error of its own
// output (hazard A17). That error is in the trace, measured; for the second half of the run it follows from the values.
//
// Which tensors. The last 16-bit forward result before an `mse_loss`, and the twin's final loss.
//
// Threshold. A mean squared rounding error of a quarter of the twin's final loss or more: the floor is then visible in
// the curve (at equality the loss doubles). A warning; critical when the outcome is bad. Fidelity need not show it: the
// updates can be fp32's while the reading of the loss is not, so the judge weighs the loss in fp32 beside it.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"
#include "emulation/number/ulp.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double visible = 0.25;

/// The twin's error where the recipe's is read, over the last eighth of its steps: before anything scales it into the
/// loss that is minimised.
double reached_by(const TensorHistory &error) {
    const auto &values = error.sum_abs_by_step;
    const std::size_t count = std::max<std::size_t>(1, values.size() / 8);
    double sum = 0;
    for (std::size_t i = values.size() - std::min(values.size(), count); i < values.size(); ++i) sum += values[i];
    return sum / static_cast<double>(count);
}

/// Mean squared rounding error of values like those of the second half of the run: early predictions may be small, and
/// the loss they are held against is the final one. A value is off by up to half a spacing, evenly.
double late_square_error(const TensorHistory &output, const number::Format &format) {
    double squares = 0, counted = 0;
    for (std::size_t b = 1; b < output.unscaled_late.size(); ++b) {
        const auto n = static_cast<double>(output.unscaled_late[b]);
        const double spacing = number::ulp_at(format, std::ldexp(1.0, static_cast<int>(b) - 127));
        squares += n * spacing * spacing / 12;
        counted += n;
    }
    return counted > 0 ? squares / counted : 0;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const TensorHistory *loss = nullptr, *output = nullptr;
    for (const TensorHistory &tensor : e.ranges.tensors)
        if (tensor.info.operation == "mse_loss" && !tensor.info.backward) loss = &tensor;
    if (!loss || !e.twin) return;
    for (const TensorHistory &tensor : e.ranges.tensors)
        // What casts it back to fp32 for the loss holds the same grid.
        if (!tensor.info.backward && tensor.info.role == "activation" && tensor.info.order < loss->info.order &&
            &tensor != loss && !(tensor.info.operation == "cast" && tensor.info.format == "fp32"))
            output = &tensor;
    if (!output || !is_reduced(format_named(output->info.format))) return;
    const TensorHistory *twins = e.twin->find(loss->info.name);
    const number::Format &format = format_named(output->info.format);
    const double floor = std::max(output->summary.mse, late_square_error(*output, format));
    const double reached = twins ? reached_by(*twins) : 0;
    if (!(floor > 0) || !std::isfinite(reached) || floor < visible * reached) return;
    const double amax = double{output->summary.total.amax};
    Finding f;
    f.detector = coarse_output.info.id;
    f.severity = e.severity_if_bad(Severity::warning);
    f.layer = output->info.layer;
    f.tensor = output->info.name;
    f.first_step = output->summary.steps.empty() ? -1 : output->summary.steps.front();
    f.weight = 84;
    f.evidence =
        fmt::format("{} reaches {}, where {} has a spacing of {}; rounding alone makes a mean squared error of "
                    "{}, beside a final loss of {} in fp32.",
                    named(f.tensor), figure(amax), format.name, figure(number::ulp_at(format, amax)), figure(floor),
                    figure(reached));
    f.cause =
        fmt::format("The predictions of {} are rounded to a grid in {} that is coarse beside the error to be learnt.",
                    named(f.layer), format.name);
    f.remedy = fmt::format("Compute {} in fp32 (an output layer costs next to nothing), or normalise the target.",
                           named(f.layer));
    findings.push_back(std::move(f));
}

} // namespace

const Detector coarse_output{
    {"coarse-output", "Output grid too coarse for the target",
     "A 16-bit prediction read by a mean squared error, and its measured rounding error beside the twin's final loss.",
     "A mean squared rounding error of a quarter of the twin's final loss: from there the floor shows in the curve. "
     "Critical when the outcome is bad.",
     "Predictions near 300 in bf16 are 2 apart: the rounding error has a mean square of 4 / 12 = 0.33. A network that "
     "reaches 0.1 in fp32 cannot get below 0.33.",
     "The output layer in fp32, or a normalised target."},
    find};

} // namespace halfscope::analysis
