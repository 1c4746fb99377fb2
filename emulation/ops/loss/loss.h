// The losses, one function an operation; definitions in ops/operation.h. Loss::mean divides the tree sum by the number
// of counted elements; otherwise the sum is the result; per_element leaves the terms themselves.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::ops::loss {

/// (log-probabilities [N, classes, space...], int64 targets [N, space...]) -> scalar, or the targets' shape. The term
/// of a target is -log-probability, +0 when the target is ignore_index (it keeps its place in the tree and is not
/// counted). With no counted target the mean is 0/0 = NaN, as in PyTorch. A target outside [0, classes) is rejected.
template <typename C> void nll_loss(const KernelCall &call);
/// (dy, targets) -> -dy / count at each counted target's class (-dy for a sum or per element), 0 elsewhere.
template <typename C> void nll_loss_gradient(const KernelCall &call);

/// (p, t): the term is d*d, d = p - t.
template <typename C> void mse_loss(const KernelCall &call);
/// (dy, p, t) -> (k * (p - t)) * dy, k = 2/n for the mean, else 2.
template <typename C> void mse_loss_gradient(const KernelCall &call);
/// (z, t): the term is (max(z, 0) - z*t) + log(1 + exp(-|z|)).
template <typename C> void bce_with_logits(const KernelCall &call);
/// (dy, z, t) -> ((1 / (1 + exp(-z)) - t) * dy), divided by n for the mean.
template <typename C> void bce_with_logits_gradient(const KernelCall &call);

} // namespace halfscope::ops::loss
