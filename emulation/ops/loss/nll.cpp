#include "emulation/ops/loss/loss.h"
#include "emulation/ops/produce_units.h"
#include "emulation/ops/reduction/tree.h"

#include <vector>

namespace halfscope::ops::loss {
namespace {

/// Log-probabilities [samples, classes, space] and the targets [samples, space] into them.
struct Targets {
    std::int64_t samples = 0, classes = 0, space = 1, counted = 0;
    const std::int64_t *values = nullptr;

    [[nodiscard]] std::int64_t count() const { return samples * space; }
};

Targets targets_of(const KernelCall &call, const Shape &probabilities, const TensorView &view) {
    const auto &loss = call.operation.get<Loss>();
    if (view.dtype != DType::int64) call.reject("targets must be int64, not " + std::string(name_of(view.dtype)));
    if (probabilities.rank() < 2)
        call.reject("log-probabilities need the shape [N, classes, ...], not " + probabilities.text());
    Targets targets;
    targets.samples = probabilities[0];
    targets.classes = probabilities[1];
    bool fits = view.shape.rank() == probabilities.rank() - 1 && view.shape[0] == probabilities[0];
    for (int axis = 2; axis < probabilities.rank(); ++axis) {
        fits = fits && view.shape[axis - 1] == probabilities[axis];
        targets.space *= probabilities[axis];
    }
    if (!fits) call.reject("targets " + view.shape.text() + " do not fit log-probabilities " + probabilities.text());
    targets.values = view.as<const std::int64_t>();
    for (std::int64_t i = 0; i < targets.count(); ++i) {
        const std::int64_t target = targets.values[i];
        if (target == loss.ignore_index) continue;
        if (target < 0 || target >= targets.classes)
            call.reject("target " + std::to_string(target) + " of element " + std::to_string(i) +
                        " is not one of the " + std::to_string(targets.classes) +
                        " classes (set ignore_index if it means none)");
        ++targets.counted;
    }
    return targets;
}

} // namespace

template <typename C> void nll_loss(const KernelCall &call) {
    const auto &loss = call.operation.get<Loss>();
    const TensorView &probabilities = call.inputs[0];
    const Targets targets = targets_of(call, probabilities.shape, call.inputs[1]);
    const TensorView &out = call.outputs[0];
    if (out.shape.elements() != (loss.per_element ? targets.count() : 1))
        call.reject("the result cannot have the shape " + out.shape.text());
    const auto term = [&](std::int64_t i) {
        const std::int64_t target = targets.values[i];
        if (target == loss.ignore_index) return C(0);
        C scratch;
        const std::int64_t at = (i / targets.space * targets.classes + target) * targets.space + i % targets.space;
        return -*load<C>(probabilities, at, 1, &scratch);
    };
    if (loss.per_element) {
        produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *values) {
            for (std::int64_t i = 0; i < count; ++i) values[i] = term(first + i);
        });
        return;
    }
    std::vector<C> terms(static_cast<std::size_t>(targets.count()));
    for (std::int64_t i = 0; i < targets.count(); ++i) terms[static_cast<std::size_t>(i)] = term(i);
    const C sum = reduction::tree_sum(terms.data(), targets.count());
    const C result = loss.mean ? sum / static_cast<C>(targets.counted) : sum;
    store<C>(call, 0, &result);
}

template <typename C> void nll_loss_gradient(const KernelCall &call) {
    const auto &loss = call.operation.get<Loss>();
    const TensorView &dy = call.inputs[0];
    const Targets targets = targets_of(call, call.outputs[0].shape, call.inputs[1]);
    if (dy.shape.elements() != (loss.per_element ? targets.count() : 1))
        call.reject("the output gradient cannot have the shape " + dy.shape.text());
    std::vector<C> storage;
    const C *gradient = load_all<C>(dy, storage, call.threads);
    const auto at_target = [&](std::int64_t i) {
        if (loss.per_element) return -gradient[i];
        return loss.mean ? -(gradient[0] / static_cast<C>(targets.counted)) : -gradient[0];
    };
    produce_units<C>(call, 0, targets.classes * targets.space, [&](std::int64_t sample, C *out) {
        std::fill(out, out + targets.classes * targets.space, C(0));
        for (std::int64_t i = sample * targets.space; i < (sample + 1) * targets.space; ++i)
            if (targets.values[i] != loss.ignore_index)
                out[targets.values[i] * targets.space + i % targets.space] = at_target(i);
    });
}

template void nll_loss<float>(const KernelCall &);
template void nll_loss<double>(const KernelCall &);
template void nll_loss_gradient<float>(const KernelCall &);
template void nll_loss_gradient<double>(const KernelCall &);

} // namespace halfscope::ops::loss
