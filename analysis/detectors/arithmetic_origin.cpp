#include "analysis/detectors/arithmetic_origin.h"

#include "analysis/statistics/forward_neighbours.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>

namespace halfscope::analysis {

namespace {

/// Share of zeros at a step; -1 when it was not traced.
double zeros_at(const TensorHistory &tensor, std::int64_t step) {
    const auto &steps = tensor.summary.steps;
    const auto at = std::lower_bound(steps.begin(), steps.end(), step);
    if (at == steps.end() || *at != step) return -1;
    return double{tensor.zeros_by_step[static_cast<std::size_t>(at - steps.begin())]};
}

} // namespace

const NonFinite *arithmetic_origin(const Evidence &e) {
    const NonFinite &origin = e.origins.forward;
    return origin && !origin.overflowed() ? &origin : nullptr;
}

const TensorHistory *own_zeros_before(const Evidence &e, const TensorHistory &tensor, std::int64_t step) {
    const TensorHistory *nearest = nullptr;
    for (const TensorHistory &earlier : e.ranges.tensors) {
        if (earlier.info.backward || earlier.info.role == "weight" || earlier.info.order >= tensor.info.order ||
            earlier.info.order < tensor.info.order - near_operations)
            continue;
        const TensorHistory *reference = e.twin ? e.twin->find(earlier.info.name) : nullptr;
        const double own = zeros_at(earlier, step), theirs = reference ? zeros_at(*reference, step) : -1;
        if (own > 0 && theirs >= 0 && own > theirs) nearest = &earlier;
    }
    return nearest;
}

Finding arithmetic_finding(const Evidence &e, const Detector &detector, const NonFinite &origin) {
    const TensorHistory &tensor = *origin.tensor;
    Finding f = finding_at(detector, e.severity_if_bad(Severity::warning), tensor, origin.step, 89);
    f.evidence =
        fmt::format("{} holds {} at step {}, made by `{}` in {} of finite operands; the forward pass is not "
                    "finite in {} of {} traced steps.",
                    named(f.tensor), origin.events & nan_event ? "NaN" : "infinity", origin.step, tensor.info.operation,
                    tensor.info.format, e.origins.forward_steps, e.origins.traced_steps);
    if (origin.event) f.evidence += fmt::format(" Its largest operand is {}.", figure(origin.event->input_amax));
    return f;
}

} // namespace halfscope::analysis
