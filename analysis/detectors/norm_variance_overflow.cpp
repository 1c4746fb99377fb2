// norm-variance-overflow: a sum of squares overflows, and its inverse root silently zeroes the layer.
//
// What it looks for. Two tensors of one pass: first one in which finite values became infinite, made by an operation
// that squares, multiplies, raises to a power or sums (x * x is infinite in fp16 from |x| = 255.97); then, within the
// next operations, one whose stored values are zero where the fp32 twin's are not, although none of them underflowed
// and none is NaN. That is 1 / sqrt(inf) = 0 at work: y = x * rsqrt(mean(x * x) + eps) becomes 0, not NaN. Nothing in a
// framework reports it; the gradient through the layer is zero as well, and the loss stands still (hazard A09: Whisper
// frames zeroed, MeshNet's GroupNorm).
//
// Threshold. The zeroed tensor must have at least 1 % more zeros than the twin's in the same step: rows vanish whole,
// so a single row in a hundred shows, while ReLU zeros of two slightly different trajectories differ by less. The
// distance is at most 12 operations: the longest decomposed normalisation in exported graphs is mean, subtract, square,
// mean, add, sqrt, divide, multiply, add with casts between.
//
// Fused normalisations that PyTorch's autocast keeps in fp32 do not do this; hand-written ones under O2 or pure do.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace halfscope::analysis {

namespace {

constexpr std::int64_t furthest_operation = 12;
constexpr double telling_zeros = 0.01;

bool squares_or_sums(std::string_view operation) {
    constexpr std::array<std::string_view, 10> names{"multiply",    "power_scalar",       "power",      "reduce_sum",
                                                     "reduce_mean", "reduce_sum_squares", "layer_norm", "rms_norm",
                                                     "group_norm",  "batch_norm_training"};
    return std::find(names.begin(), names.end(), operation) != names.end();
}

/// Share of zeros at `step` beyond the twin's; 0 when either did not trace the step.
double own_zeros(const TensorHistory &tensor, const RunRanges *twin, std::int64_t step) {
    const auto zeros_at = [step](const TensorHistory &t) {
        const auto at = std::lower_bound(t.summary.steps.begin(), t.summary.steps.end(), step);
        if (at == t.summary.steps.end() || *at != step) return -1.0;
        return double{t.zeros_by_step[static_cast<std::size_t>(at - t.summary.steps.begin())]};
    };
    const TensorHistory *reference = twin ? twin->find(tensor.info.name) : nullptr;
    const double own = zeros_at(tensor);
    const double theirs = reference ? zeros_at(*reference) : -1.0;
    return own < 0 || theirs < 0 ? 0.0 : own - theirs;
}

/// Something between the two that can turn infinity into zero: a division or an inverse root. (tanh(-inf) + 1 is zero
/// as well, and as it should be.)
bool divides_between(const RunRanges &ranges, const TensorHistory &overflow, const TensorHistory &zeroed) {
    constexpr std::array<std::string_view, 5> names{"power_scalar", "power", "divide", "reciprocal", "square_root"};
    if (overflow.info.operation.find("norm") != std::string::npos) return true;
    for (const TensorHistory &tensor : ranges.tensors)
        if (!tensor.info.backward && tensor.info.order > overflow.info.order &&
            tensor.info.order <= zeroed.info.order &&
            (std::find(names.begin(), names.end(), tensor.info.operation) != names.end() ||
             tensor.info.operation.find("norm") != std::string::npos))
            return true;
    return false;
}

struct Match {
    const TensorHistory *overflow = nullptr;
    const TensorHistory *zeroed = nullptr;
    std::int64_t step = -1;
    double zeros = 0;
};

Match match(const Evidence &e) {
    Match first;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.backward || tensor.summary.total.overflows == 0 || !squares_or_sums(tensor.info.operation))
            continue;
        for (const std::int64_t step : tensor.summary.steps) {
            if (first.overflow && step >= first.step) break;
            if (!(own_events(tensor, e.twin, step) & overflow_event)) continue;
            for (const TensorHistory &later : e.ranges.tensors) {
                if (later.info.backward || later.info.order <= tensor.info.order ||
                    later.info.order > tensor.info.order + furthest_operation)
                    continue;
                if (later.events_at(step) & nan_event) break; // the NaN's detectors know better
                const double zeros = own_zeros(later, e.twin, step);
                if (zeros >= telling_zeros && later.summary.underflow_share < telling_zeros &&
                    divides_between(e.ranges, tensor, later)) {
                    first = {&tensor, &later, step, zeros};
                    break;
                }
            }
        }
    }
    return first;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const Match m = match(e);
    if (!m.overflow) return;
    Finding f;
    f.detector = norm_variance_overflow.info.id;
    f.severity = e.severity_if_bad(Severity::warning);
    f.layer = m.zeroed->info.layer.empty() ? m.overflow->info.layer : m.zeroed->info.layer;
    f.tensor = m.overflow->info.name;
    f.first_step = m.step;
    f.weight = 95;
    f.evidence = fmt::format(
        "{} of {} values of {} ({}) become infinite in {} and {} of {} is zero at step {} where the "
        "fp32 twin's is not.",
        m.overflow->summary.total.overflows, m.overflow->summary.total.count, named(m.overflow->info.name),
        m.overflow->info.operation, m.overflow->info.format, percent(m.zeros), named(m.zeroed->info.name), m.step);
    f.cause =
        fmt::format("The sum of squares in the normalisation of {} overflows {}, and dividing by its infinite root "
                    "turns the result into zero, without any NaN.",
                    named(f.layer), m.overflow->info.format);
    f.remedy =
        fmt::format("Compute the normalisation of {} in fp32 (a fused layer norm under autocast does), or divide its "
                    "input by a constant first.",
                    named(f.layer));
    findings.push_back(std::move(f));
}

} // namespace

const Detector norm_variance_overflow{
    {"norm-variance-overflow", "Variance overflow (silent zero)",
     "A squaring, multiplying or summing operation whose result becomes infinite, followed within 12 operations by a "
     "tensor "
     "that is zero where the fp32 twin's is not, with no underflow and no NaN.",
     "At least 1 % more zeros than the twin in the same step: a zeroed row shows, two trajectories' ReLU zeros do not.",
     "x * x is infinite in fp16 from |x| = 255.97; with x ~ N(0, 150^2) and 256 elements a row nearly every row has "
     "one. "
     "rsqrt(inf) = 0, so y = x * 0 = 0: the layer is silent and its gradient zero.",
     "Keep the normalisation in fp32 (fused layer norm, autocast), or divide the input by a constant before squaring."},
    find};

} // namespace halfscope::analysis
