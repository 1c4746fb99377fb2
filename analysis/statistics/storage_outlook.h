// What storing every tensor of a run in another format, under a given loss scale, would lose: read off the exponent
// histograms of its trace, without another run.
//
// Best asked of the fp32 twin, whose values are whole. Asked of a run that was rounded itself, what that run lost is
// not there any more to be lost again.
//
// What matters. A tensor's loss matters when
//   * one finite value or more would become infinite (a mask's large negative constant on its way to a softmax
//   excepted:
//     it becomes -inf, which is what it stands for), or
//   * what rounds to zero carries more than `allowed_lost_squares` of the tensor's squared norm, over the whole run or
//     its second half (loss_scale_window.h: many tiny values weigh little), or
//   * it is a gradient and no loss scale would do.
// Optimizer state is shown and not counted: recipes keep it in fp32 unless they say otherwise. Updates are fp32's own
// and left out.
#pragma once

#include "analysis/statistics/loss_scale_window.h"

#include <string>
#include <vector>

namespace halfscope::analysis {

struct TensorOutlook {
    const TensorHistory *tensor = nullptr;
    WhatIf forecast;               ///< counts over all traced steps
    double lost_squares_share = 0; ///< the larger of the whole run's and the second half's
    bool mask = false;             ///< overflows as a mask may
    bool counts = true;            ///< false: optimizer state
    bool matters = false;

    [[nodiscard]] double lost_share() const; ///< underflows / finite non-zero values
};

struct LayerOutlook {
    std::string name;
    std::vector<TensorOutlook> tensors; ///< worst first
    ScaleWindow window;                 ///< of its gradients in the format
    bool has_gradients = false;
    bool matters = false;
    /// Pooled over the tensors that count.
    std::uint64_t forward_values = 0, forward_underflows = 0, gradient_values = 0, gradient_underflows = 0,
                  overflows = 0;
    double worst_lost_squares = 0;
};

struct StorageOutlook {
    std::vector<LayerOutlook> layers; ///< worst first
    ScaleWindows windows;             ///< of every layer and the model, in the format
    std::size_t layers_that_lose = 0; ///< those with matters
    [[nodiscard]] bool matters() const { return layers_that_lose > 0; }
};

/// `loss_scale` multiplies gradients that carry one; histograms are moved by the nearest power of two, the largest
/// magnitude by the scale itself.
[[nodiscard]] StorageOutlook storage_outlook(const RunRanges &run, const number::Format &format, double loss_scale);

} // namespace halfscope::analysis
