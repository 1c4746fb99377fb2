// Infinities and NaN that an operation made by its own arithmetic, a logarithm of zero or a division by it, in the
// forward pass. Each way to get there is one detector's.
#pragma once

#include "analysis/detectors/detector.h"

namespace halfscope::analysis {

/// The first of them in `e.origins.forward`; null when there is none, or when it overflowed on storage.
[[nodiscard]] const NonFinite *arithmetic_origin(const Evidence &e);

/// The first forward tensor at most near_operations before `tensor` that holds zeros at `step` where the twin's holds
/// none, or fewer: what was divided by, or what the logarithm was taken of.
[[nodiscard]] const TensorHistory *own_zeros_before(const Evidence &e, const TensorHistory &tensor, std::int64_t step);

/// A finding about that origin with severity, place and the step in its evidence.
[[nodiscard]] Finding arithmetic_finding(const Evidence &e, const Detector &detector, const NonFinite &origin);

} // namespace halfscope::analysis
