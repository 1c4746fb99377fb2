// coarse-phase: the argument of a sine or cosine is rounded by more than the features can bear.
//
// What it looks for. Coordinates, times and positions are multiplied by frequencies before sine and cosine bound them
// again. The larger the phase, the coarser it is stored: near 100 neighbours are 0.5 radians apart in bf16 and 0.06 in
// fp16. Autocast computes that product in 16 bits as well (hazard P01 for whole numbers; the same befalls real
// coordinates: Fourier features, rotary phases, radiance fields).
//
// Which tensors. The 16-bit forward tensor before a `sine` or `cosine`, and what its layer's own operands lost when
// they were cast for it: relative errors of a product's operands are the product's.
//
// Threshold. A phase that is off by e (root mean square, radians) keeps exp(-e^2 / 2) of a sine's amplitude in step
// with the target, so about e^2 of what the features explain becomes noise. It is named when that share of what the
// twin learned is a tenth of the loss that the twin ends at, the excess that counts as much worse. Critical when the
// outcome is bad.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/forward_neighbours.h"
#include "analysis/statistics/wording.h"
#include "emulation/number/ulp.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

double relative_square_error(const TensorHistory &tensor) {
    const number::RangeStatistics &s = tensor.summary.total;
    return s.sum_squares > 0 ? s.sum_squared_error / s.sum_squares : 0;
}

bool rounded(const TensorHistory &tensor) {
    return !tensor.info.backward && tensor.info.role != "weight" && is_reduced(format_named(tensor.info.format));
}

/// Mean squared error of a phase, its operands' included.
double square_error(const RunRanges &ranges, const TensorHistory &phase) {
    constexpr std::int64_t operands = 2;
    double relative = relative_square_error(phase);
    if (phase.info.operation == "matmul" || phase.info.operation == "multiply" || phase.info.operation == "scale")
        for (const TensorHistory &tensor : ranges.tensors)
            if (rounded(tensor) && tensor.info.order < phase.info.order &&
                tensor.info.order >= phase.info.order - operands)
                relative += relative_square_error(tensor);
    const number::RangeStatistics &s = phase.summary.total;
    return s.count > 0 ? relative * s.sum_squares / static_cast<double>(s.count) : 0;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const double reached = std::abs(e.comparison.outcome.reference_final), learned = e.comparison.outcome.progress;
    if (!(learned > 0)) return;
    const TensorHistory *worst = nullptr;
    double error = 0;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (!rounded(tensor) || tensor.info.operation == "sine" || tensor.info.operation == "cosine") continue;
        constexpr std::int64_t next = 2;
        if (!next_forward(e.ranges, tensor, "sine", next) && !next_forward(e.ranges, tensor, "cosine", next)) continue;
        const double own = square_error(e.ranges, tensor);
        if (own > error) worst = &tensor, error = own;
    }
    if (!worst || (1 - std::exp(-error)) * learned < much_worse_excess * std::min(reached, learned)) return;
    const number::Format &format = format_named(worst->info.format);
    const double amax = double{worst->summary.total.amax};
    Finding f = finding_at(coarse_phase, e.severity_if_bad(Severity::warning), *worst,
                           worst->summary.steps.empty() ? -1 : worst->summary.steps.front(), 82);
    f.evidence =
        fmt::format("{} reaches {}, where {} has a spacing of {}; with what its operands lost the phase is off by {} "
                    "radians (root mean square), which makes noise of {} of what the features explain.",
                    named(f.tensor), figure(amax), format.name, figure(number::ulp_at(format, amax)),
                    figure(std::sqrt(error)), percent(1 - std::exp(-error)));
    f.cause = fmt::format("The phases of {} are rounded in {} before their sine and cosine are taken.", named(f.layer),
                          format.name);
    f.remedy = fmt::format("Keep coordinates, frequencies and their product ({}) in fp32 up to the sine and cosine, "
                           "outside autocast.",
                           named(f.layer));
    findings.push_back(std::move(f));
}

} // namespace

const Detector coarse_phase{
    {"coarse-phase", "Phase too coarse for its sine",
     "The 16-bit argument of a sine or cosine: its measured rounding error, with that of the operands of the product "
     "that makes it.",
     "The noise that the rounded phase makes of what the features explain (its mean square in radians), as a share of "
     "what the twin learned, is a tenth of the twin's final loss. Critical when the outcome is bad.",
     "A phase near 100 in bf16 is a multiple of 0.5, off by 0.14 on average: 2 % of the signal becomes noise. That is "
     "nothing to a network that explains half of its target, and twice the error of one that explains 99 %.",
     "Coordinates, frequencies and phases in fp32 until sine and cosine bound them."},
    find};

} // namespace halfscope::analysis
