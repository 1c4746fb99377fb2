// The window of one convolution call, checked.
#pragma once

#include "emulation/ops/kernel_call.h"

#include <cstdint>

namespace halfscope::ops {

/// Spatial axes are (y, x); a 1-D convolution is a 2-D one of height 1. Channels are per group.
struct ConvolutionGeometry {
    std::int64_t samples = 0, groups = 1, in_channels = 0, out_channels = 0;
    std::int64_t in[2] = {1, 1}, out[2] = {1, 1}, kernel[2] = {1, 1};
    std::int64_t stride[2] = {1, 1}, dilation[2] = {1, 1}, pad[2] = {0, 0}; ///< pad: leading

    [[nodiscard]] std::int64_t taps() const { return kernel[0] * kernel[1]; }
    [[nodiscard]] std::int64_t in_plane() const { return in[0] * in[1]; }
    [[nodiscard]] std::int64_t out_plane() const { return out[0] * out[1]; }
};

/// Of input x [N, C, ...], weights w [out, in / groups, kernel...] and output y [N, out, ...]. Rejects what does not
/// fit.
[[nodiscard]] ConvolutionGeometry geometry_of(const KernelCall &call, const Shape &x, const Shape &w, const Shape &y);

} // namespace halfscope::ops
