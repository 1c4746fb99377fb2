// Losses that are a mean or sum of a function of (prediction, target) pairs, and their gradients.
#include "emulation/ops/loss/loss.h"
#include "emulation/ops/reduction/tree.h"
#include "emulation/ops/transcendental.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace halfscope::ops::loss {
namespace {

void require_one_shape(const KernelCall &call, const TensorView &a, const TensorView &b) {
    if (!(a.shape == b.shape))
        call.reject("prediction " + a.shape.text() + " and target " + b.shape.text() + " differ in shape");
}

/// terms(p, t, count, out) makes the terms of `count` consecutive pairs.
template <typename C, typename Terms> void reduce_terms(const KernelCall &call, const Terms &terms) {
    const auto &loss = call.operation.get<Loss>();
    const TensorView &p = call.inputs[0], &t = call.inputs[1];
    require_one_shape(call, p, t);
    const std::int64_t n = p.shape.elements();
    if (call.outputs[0].shape.elements() != (loss.per_element ? n : 1))
        call.reject("the result cannot have the shape " + call.outputs[0].shape.text());
    const auto block = [&](std::int64_t first, std::int64_t count, C *out) {
        alignas(64) C scratch_p[produce_block], scratch_t[produce_block];
        terms(load<C>(p, first, count, scratch_p), load<C>(t, first, count, scratch_t), count, out);
    };
    if (loss.per_element) {
        produce<C>(call, 0, block);
        return;
    }
    std::vector<C> all(static_cast<std::size_t>(n));
    call.threads.run((n + produce_block - 1) / produce_block, [&](std::int64_t task) {
        const std::int64_t first = task * produce_block;
        block(first, std::min(produce_block, n - first), all.data() + first);
    });
    const C sum = reduction::tree_sum(all.data(), n);
    const C result = loss.mean ? sum / static_cast<C>(n) : sum;
    store<C>(call, 0, &result);
}

/// slope(p, t, dy) is one element of the result; dy is the same for all elements unless the loss is per element.
template <typename C, typename Slope> void pair_gradient(const KernelCall &call, const Slope &slope) {
    const auto &loss = call.operation.get<Loss>();
    const TensorView &dy = call.inputs[0], &p = call.inputs[1], &t = call.inputs[2];
    require_one_shape(call, p, t);
    require_one_shape(call, p, call.outputs[0]);
    if (dy.shape.elements() != (loss.per_element ? p.shape.elements() : 1))
        call.reject("the output gradient cannot have the shape " + dy.shape.text());
    produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *out) {
        alignas(64) C scratch_p[produce_block], scratch_t[produce_block], scratch_dy[produce_block];
        const C *values = load<C>(p, first, count, scratch_p), *targets = load<C>(t, first, count, scratch_t);
        const C *gradient = loss.per_element ? load<C>(dy, first, count, scratch_dy) : load<C>(dy, 0, 1, scratch_dy);
        const std::int64_t stride = loss.per_element ? 1 : 0;
        for (std::int64_t i = 0; i < count; ++i) out[i] = slope(values[i], targets[i], gradient[i * stride]);
    });
}

/// Whether a gradient is that of a mean.
bool is_mean(const KernelCall &call) {
    const auto &loss = call.operation.get<Loss>();
    return loss.mean && !loss.per_element;
}

} // namespace

template <typename C> void mse_loss(const KernelCall &call) {
    reduce_terms<C>(call, [](const C *p, const C *t, std::int64_t count, C *out) {
        for (std::int64_t i = 0; i < count; ++i) out[i] = (p[i] - t[i]) * (p[i] - t[i]);
    });
}

template <typename C> void mse_loss_gradient(const KernelCall &call) {
    const C factor = is_mean(call) ? C(2) / static_cast<C>(call.inputs[1].shape.elements()) : C(2);
    pair_gradient<C>(call, [factor](C p, C t, C dy) { return (factor * (p - t)) * dy; });
}

template <typename C> void bce_with_logits(const KernelCall &call) {
    reduce_terms<C>(call, [](const C *z, const C *t, std::int64_t count, C *out) {
        const auto n = static_cast<std::size_t>(count);
        for (std::size_t i = 0; i < n; ++i) out[i] = -std::abs(z[i]);
        transcendental::exp(out, out, n);
        for (std::size_t i = 0; i < n; ++i) out[i] = C(1) + out[i];
        transcendental::log(out, out, n);
        // A NaN logit stays NaN through z * t.
        for (std::size_t i = 0; i < n; ++i) out[i] = (std::max(z[i], C(0)) - z[i] * t[i]) + out[i];
    });
}

template <typename C> void bce_with_logits_gradient(const KernelCall &call) {
    const bool mean = is_mean(call);
    const C n = static_cast<C>(call.inputs[1].shape.elements());
    pair_gradient<C>(call, [mean, n](C z, C t, C dy) {
        const C slope = (C(1) / (C(1) + transcendental::exp(-z)) - t) * dy;
        return mean ? slope / n : slope;
    });
}

template void mse_loss<float>(const KernelCall &);
template void mse_loss<double>(const KernelCall &);
template void mse_loss_gradient<float>(const KernelCall &);
template void mse_loss_gradient<double>(const KernelCall &);
template void bce_with_logits<float>(const KernelCall &);
template void bce_with_logits<double>(const KernelCall &);
template void bce_with_logits_gradient<float>(const KernelCall &);
template void bce_with_logits_gradient<double>(const KernelCall &);

} // namespace halfscope::ops::loss
