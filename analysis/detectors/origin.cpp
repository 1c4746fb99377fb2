#include "analysis/detectors/origin.h"

#include "analysis/statistics/forward_neighbours.h"

#include <algorithm>
#include <set>

namespace halfscope::analysis {

namespace {

enum class Phase { forward, backward, optimizer };

/// Keeps the earlier of two, by step; tensors are visited in execution order, so the first of a step stays.
void keep_first(NonFinite &first, const TensorHistory &tensor, std::int64_t step, std::uint8_t events, bool skipped) {
    if (first.tensor && first.step <= step) return;
    first.tensor = &tensor;
    first.step = step;
    first.events = events;
    first.step_skipped = skipped;
}

void attach_event(NonFinite &origin, const trace::StoredRun &run) {
    if (!origin) return;
    for (const trace::Event &event : run.events)
        if (event.step == origin.step && event.tensor == origin.tensor->info.id) {
            origin.event = &event;
            return;
        }
}

/// A mask's constant that became -inf, read by a softmax without a NaN: what it stands for, and no origin of anything.
bool masks_as_meant(const RunRanges &ranges, const TensorHistory &tensor, std::int64_t step) {
    if (!is_masked_score(ranges, tensor)) return false;
    const TensorHistory *softmax = next_forward(ranges, tensor, "softmax");
    if (!softmax) softmax = next_forward(ranges, tensor, "log_softmax");
    return (softmax->events_at(step) & nan_event) == 0;
}

/// The loss, or a term of it.
bool is_loss(const TensorHistory &tensor) {
    return !tensor.info.backward && (tensor.info.role == "loss" || tensor.info.operation.ends_with("_loss") ||
                                     tensor.info.operation == "bce_with_logits");
}

/// A loss too large for its format whose backward pass is finite: the number is lost, the gradient is not made from it.
bool only_the_loss(const RunRanges &ranges, const RunRanges *twin, std::int64_t step) {
    return std::none_of(ranges.tensors.begin(), ranges.tensors.end(), [&](const TensorHistory &tensor) {
        return !is_loss(tensor) && own_events(tensor, twin, step) != 0;
    });
}

} // namespace

std::uint8_t own_events(const TensorHistory &tensor, const RunRanges *twin, std::int64_t step) {
    const std::uint8_t events = tensor.events_at(step);
    if (events == 0 || !twin) return events;
    const TensorHistory *reference = twin->find(tensor.info.name);
    if (!reference) return events;
    // An inf in both may have been made here by overflow and there by intent (a mask): not a difference that matters.
    std::uint8_t shared = reference->events_at(step);
    if (shared & (infinite_event | overflow_event)) shared |= infinite_event | overflow_event;
    return static_cast<std::uint8_t>(events & ~shared);
}

NonFiniteOrigins find_origins(const trace::StoredRun &run, const RunRanges &ranges, const RunRanges *twin) {
    std::set<std::int64_t> skipped, skipped_unscaled;
    for (const trace::Step &step : run.steps) {
        if (!step.skipped) continue;
        skipped.insert(step.step);
        if (step.loss_scale <= 1) skipped_unscaled.insert(step.step);
    }

    std::int64_t last_backward = -1;
    for (const TensorHistory &tensor : ranges.tensors)
        if (tensor.info.backward) last_backward = std::max(last_backward, tensor.info.order);
    const auto phase_of = [&](const trace::TensorInfo &info) {
        if (info.role == "optimizer_state" || info.role == "update") return Phase::optimizer;
        if (info.backward) return Phase::backward;
        return last_backward >= 0 && info.order > last_backward ? Phase::optimizer : Phase::forward;
    };

    NonFiniteOrigins origins;
    std::set<std::int64_t> traced, dirty, dirty_forward, dirty_backward;
    for (const Phase phase : {Phase::forward, Phase::backward, Phase::optimizer}) {
        const std::set<std::int64_t> dirty_before = dirty;
        for (const TensorHistory &tensor : ranges.tensors) {
            if (phase_of(tensor.info) != phase) continue;
            for (const std::int64_t step : tensor.summary.steps) {
                traced.insert(step);
                const std::uint8_t events = own_events(tensor, twin, step);
                if (events == 0 || dirty_before.contains(step)) continue;
                if (phase == Phase::forward && (events & overflow_event) && masks_as_meant(ranges, tensor, step))
                    continue;
                if (phase == Phase::forward && (events & (overflow_event | infinite_event)) && is_loss(tensor) &&
                    only_the_loss(ranges, twin, step))
                    continue;
                dirty.insert(step);
                const bool was_skipped = skipped.contains(step);
                if (phase == Phase::forward) {
                    dirty_forward.insert(step);
                    keep_first(origins.forward, tensor, step, events, was_skipped);
                } else if (phase == Phase::backward) {
                    dirty_backward.insert(step);
                    keep_first(origins.backward, tensor, step, events, was_skipped);
                    if (!was_skipped) keep_first(origins.applied_backward, tensor, step, events, false);
                    if (skipped_unscaled.contains(step))
                        keep_first(origins.unscaled_backward, tensor, step, events, true);
                } else {
                    keep_first(origins.optimizer, tensor, step, events, was_skipped);
                }
            }
        }
    }
    origins.traced_steps = static_cast<std::int64_t>(traced.size());
    origins.forward_steps = static_cast<std::int64_t>(dirty_forward.size());
    origins.backward_steps = static_cast<std::int64_t>(dirty_backward.size());
    attach_event(origins.forward, run);
    attach_event(origins.backward, run);
    attach_event(origins.applied_backward, run);
    attach_event(origins.unscaled_backward, run);
    attach_event(origins.optimizer, run);
    return origins;
}

} // namespace halfscope::analysis
