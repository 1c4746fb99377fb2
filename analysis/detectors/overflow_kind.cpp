#include "analysis/detectors/overflow_kind.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/forward_neighbours.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace halfscope::analysis {

namespace {

template <std::size_t N> bool is_one_of(std::string_view operation, const std::array<std::string_view, N> &names) {
    return std::find(names.begin(), names.end(), operation) != names.end();
}

bool is_product(std::string_view operation) {
    return is_one_of(operation, std::array<std::string_view, 4>{"multiply", "power_scalar", "power", "divide"});
}

/// A sum that the next operation multiplies by a constant, which makes it much smaller in fp32. A division may as well
/// be by another sum (Dice).
bool is_written_mean(const Evidence &e, const TensorHistory &sum) {
    if (sum.info.operation != "reduce_sum" || !e.twin) return false;
    const TensorHistory *next = next_forward(e.ranges, sum, "scale", 1);
    const TensorHistory *whole = e.twin->find(sum.info.name);
    const TensorHistory *mean = next ? e.twin->find(next->info.name) : nullptr;
    constexpr float few_terms = 4;
    return whole && mean && mean->summary.total.amax * few_terms <= whole->summary.total.amax;
}

/// Additions before this one whose largest values climb towards it: a residual stream. Three, of which each is larger
/// than the one before.
bool climbs(const RunRanges &ranges, const TensorHistory &tensor) {
    float last = tensor.summary.total.amax;
    int steps_up = 0;
    for (auto at = ranges.tensors.rbegin(); at != ranges.tensors.rend(); ++at) {
        if (at->info.backward || at->info.operation != "add" || at->info.order >= tensor.info.order) continue;
        if (at->summary.total.amax >= last) break;
        last = at->summary.total.amax;
        if (++steps_up == 2) return true;
    }
    return false;
}

/// Other layers whose forward tensors overflow on their own at some step.
std::vector<std::string> overflowing_layers(const Evidence &e, const TensorHistory &first) {
    std::vector<std::string> layers;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.backward || tensor.summary.total.overflows == 0 || tensor.info.layer == first.info.layer)
            continue;
        for (const std::int64_t step : tensor.summary.steps)
            if (own_events(tensor, e.twin, step) & overflow_event) {
                if (std::find(layers.begin(), layers.end(), tensor.info.layer) == layers.end())
                    layers.push_back(tensor.info.layer);
                break;
            }
    }
    return layers;
}

} // namespace

OverflowKind overflow_kind(const Evidence &e, const std::vector<Finding> &found) {
    const NonFinite &origin = e.origins.forward;
    if (!origin || !origin.overflowed()) return OverflowKind::none;
    const TensorHistory &tensor = *origin.tensor;
    for (const Finding &f : found)
        if (f.detector == norm_variance_overflow.info.id && f.tensor == tensor.info.name) return OverflowKind::none;
    const std::string_view operation = tensor.info.operation;
    if (is_masked_score(e.ranges, tensor)) return OverflowKind::mask;
    if (operation == "exponential" || operation == "softplus") return OverflowKind::exponential;
    if (is_one_of(operation, std::array<std::string_view, 5>{"reduce_sum", "reduce_mean", "reduce_sum_squares",
                                                             "cumulative_sum", "average_pool"}))
        return operation == "reduce_mean" || operation == "average_pool" || is_written_mean(e, tensor)
                   ? OverflowKind::mean
                   : OverflowKind::sum;
    if (is_one_of(operation, std::array<std::string_view, 5>{"matmul", "scale", "multiply", "divide", "add"}) &&
        next_forward(e.ranges, tensor, "softmax"))
        return OverflowKind::logits;
    if (is_product(operation))
        return next_forward(e.ranges, tensor, "tanh") ? OverflowKind::cubic : OverflowKind::product;
    if (operation == "add" && climbs(e.ranges, tensor)) return OverflowKind::residual;
    return OverflowKind::result;
}

Finding forward_overflow_finding(const Evidence &e, const Detector &detector) {
    const NonFinite &origin = e.origins.forward;
    const TensorHistory &tensor = *origin.tensor;
    const number::Format &format = format_named(tensor.info.format);
    Finding f;
    f.detector = detector.info.id;
    f.severity = e.severity_if_bad(Severity::warning);
    f.layer = tensor.info.layer;
    f.tensor = tensor.info.name;
    f.first_step = origin.step;
    f.weight = 90;
    f.evidence =
        fmt::format("{} of {} values of {} become infinite when stored in {} ({}; largest magnitude {}, {} ends at "
                    "{}); the forward pass is not finite in {} of {} traced steps, first at step {}.",
                    tensor.summary.total.overflows, tensor.summary.total.count, named(tensor.info.name),
                    tensor.info.format, tensor.info.operation, figure(double{tensor.summary.total.amax}), format.name,
                    figure(largest_finite(format)), e.origins.forward_steps, e.origins.traced_steps, origin.step);
    if (origin.event) f.evidence += fmt::format(" Its largest operand is {}.", figure(origin.event->input_amax));
    const auto others = overflowing_layers(e, tensor);
    if (!others.empty()) f.evidence += fmt::format(" It also overflows in {}.", name_list(others));
    return f;
}

} // namespace halfscope::analysis
