// What the convolutions share: the tiled ones by fma, those on the matrix unit, and the readable references of both.
#pragma once

#include "emulation/ops/convolution/geometry.h"
#include "kernels/cuda/operations/stored.cuh"

#include <algorithm>
#include <numeric>

namespace halfscope::kernels::device::operations {

inline constexpr std::int64_t chunk_pixels = 1024; ///< of a weight gradient's chains

/// Along one axis, the input pixels stride * q + residue - pad for q from `first` on, and the kernel taps that reach
/// them: from + i * step for i in [0, taps).
struct Phase {
    std::int64_t first = 0, pixels = 0, taps = 0, from = 0, step = 1;

    Phase() = default;
    Phase(const ops::ConvolutionGeometry &g, int axis, std::int64_t residue) {
        const std::int64_t s = g.stride[axis], top = g.in[axis] - 1 + g.pad[axis] - residue;
        first = g.pad[axis] > residue ? (g.pad[axis] - residue + s - 1) / s : 0;
        pixels = top < 0 ? 0 : std::max<std::int64_t>(0, top / s - first + 1);
        step = s / std::gcd(s, g.dilation[axis]);
        while (from < g.kernel[axis] && from * g.dilation[axis] % s != residue) ++from;
        taps = from < g.kernel[axis] ? (g.kernel[axis] - from + step - 1) / step : 0;
    }
};

/// Calls body(y, x) for the phases of an input gradient that have pixels and taps.
template <typename Body> void over_phases(const ops::ConvolutionGeometry &g, const Body &body) {
    for (std::int64_t ry = 0; ry < g.stride[0]; ++ry)
        for (std::int64_t rx = 0; rx < g.stride[1]; ++rx) {
            const Phase y(g, 0, ry), x(g, 1, rx);
            if (y.pixels > 0 && x.pixels > 0 && y.taps > 0 && x.taps > 0) body(y, x);
        }
}

/// Each puts its result, every element once.
struct ConvolutionKernels {
    using Kernel = void (*)(const ops::ConvolutionGeometry &geometry, const ops::KernelCall &call, Stored result);
    Kernel forward, input_gradient, weight_gradient;
};

/// Runs the call by one of the kernels: by `chain` where it accumulates as the fma chain, by `unit` where as this
/// device's matrix unit, of operands in 16 bits. False where neither fits.
[[nodiscard]] bool with_convolution(const ops::KernelCall &call, const ConvolutionKernels &chain,
                                    const ConvolutionKernels &unit);

/// run_convolution by one thread a result, in the words of operation.h; on the matrix unit by one warp 16 x 8 results.
[[nodiscard]] bool run_convolution_reference(const ops::KernelCall &call);

/// The tree over a weight gradient's chunks: partial [chunks, weights] -> dw, at most tree_chunk of them.
void add_chunks(const float *partial, std::int64_t chunks, std::int64_t weights, Stored dw);

/// Implicit products on the matrix unit (unit_convolution.cu).
extern const ConvolutionKernels unit_convolution, unit_convolution_reference;

} // namespace halfscope::kernels::device::operations
