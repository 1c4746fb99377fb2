// What the tiled convolutions and their one-thread-a-result references share.
#pragma once

#include "emulation/ops/convolution/geometry.h"

namespace halfscope::kernels::device::operations {

inline constexpr std::int64_t chunk_pixels = 1024; ///< of a weight gradient's chains

/// Each leaves its result in C in device memory.
struct ConvolutionKernels {
    using Kernel = void (*)(const ops::ConvolutionGeometry &geometry, const ops::KernelCall &call, float *result);
    Kernel forward, input_gradient, weight_gradient;
};

/// Runs the call by one of the kernels; false where they do not fit.
[[nodiscard]] bool with_convolution(const ops::KernelCall &call, const ConvolutionKernels &kernels);

/// run_convolution by one thread a result, in the words of operation.h.
[[nodiscard]] bool run_convolution_reference(const ops::KernelCall &call);

} // namespace halfscope::kernels::device::operations
