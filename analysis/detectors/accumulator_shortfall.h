// The first product or sum of the forward pass that comes out too small, because it was added up in 16 bits.
//
// At the first traced step recipe and twin still have the same weights and the same batch, so each forward tensor
// should have the twin's sum of magnitudes to within a rounding. The first one that adds terms up and falls short of it
// by more, while everything before agrees, made the loss itself: an accumulator in 16 bits stops growing once a further
// term is below half of its spacing.
//
// Short means: by more than four times the format's relative spacing (2^-precision), because sums of many rounded
// values agree to well within one. "Agrees" means the same of magnitudes and of squares.
#pragma once

#include "analysis/detectors/detector.h"

namespace halfscope::analysis {

struct Shortfall {
    const TensorHistory *tensor = nullptr; ///< null: nothing falls short
    std::int64_t step = -1;
    double share = 1; ///< of the twin's sum of magnitudes
    /// Made by a matrix product or a convolution: the matrix unit's accumulator, not a reduction.
    bool product = false;

    explicit operator bool() const { return tensor != nullptr; }
};

[[nodiscard]] Shortfall accumulator_shortfall(const Evidence &e);

/// A finding of `detector` with place, severity and the figures of the shortfall.
[[nodiscard]] Finding shortfall_finding(const Evidence &e, const Detector &detector, const Shortfall &shortfall);

} // namespace halfscope::analysis
