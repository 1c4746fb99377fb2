// Convolutions over three spatial axes, carried out as ones over two: taps along depth become channels, depths become
// samples. The chains are those of operation.h, because depth is the outermost axis of a kernel.
#pragma once

#include "emulation/ops/kernel_call.h"

#include <functional>

namespace halfscope::ops {

/// Carries out a call over one or two spatial axes.
using PlanarConvolution = std::function<void(const KernelCall &call)>;

/// One of the three convolutions of [N, C, depth, height, width]; rejects what does not fit.
template <typename C> void run_volumetric(const KernelCall &call, const PlanarConvolution &planar);

} // namespace halfscope::ops
