// What kind of arithmetic made the first forward overflow. Each kind is one detector's, so that one overflow has one
// name.
#pragma once

#include "analysis/detectors/detector.h"

namespace halfscope::analysis {

enum class OverflowKind : std::uint8_t {
    none,   ///< the forward pass does not overflow, or norm-variance-overflow has the case already
    mask,   ///< a constant written over scores
    logits, ///< scores on their way to a softmax
    cubic,  ///< a power inside a hand-written tanh GELU
    exponential,
    sum,      ///< a sum over many elements
    mean,     ///< the sum on the way to a mean
    product,  ///< of two results, or a power
    residual, ///< an addition that the layers before it have made larger and larger
    result,   ///< any other: a matrix product, a convolution, ...
};

/// Of e.origins.forward. `found` is what detectors before have said.
[[nodiscard]] OverflowKind overflow_kind(const Evidence &e, const std::vector<Finding> &found);

/// A finding of `detector` about e.origins.forward with severity, place and figures filled in; cause and remedy are the
/// detector's own.
[[nodiscard]] Finding forward_overflow_finding(const Evidence &e, const Detector &detector);

} // namespace halfscope::analysis
