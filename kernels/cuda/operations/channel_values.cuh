// What the normalisations over channels take trees of, and what they make of the trees' sums.
#pragma once

#include "emulation/ops/normalization/channels.h"
#include "kernels/cuda/operations/operand.cuh"

#include <cstdint>

namespace halfscope::kernels::device::operations {

/// Elements of a channel in the order N, space.
struct ChannelValues {
    Operand values;
    std::int64_t channels, space;
    ChannelValues(const ops::TensorView &view, const ops::normalization::Channels &of)
        : values(view), channels(of.channels), space(of.space) {}
    /// Where element i of a channel lies.
    [[nodiscard]] __device__ std::int64_t place(std::int64_t channel, std::int64_t i) const {
        return (i / space * channels + channel) * space + i % space;
    }
    [[nodiscard]] __device__ float operator()(std::int64_t channel, std::int64_t i) const {
        return values.at(place(channel, i));
    }
};

/// (x - mean)^2, the mean of each row.
template <typename Values> struct SquaredDifferences {
    Values x;
    const float *mean;
    [[nodiscard]] __device__ float operator()(std::int64_t row, std::int64_t i) const {
        const float difference = __fsub_rn(x(row, i), mean[row]);
        return __fmul_rn(difference, difference);
    }
};

__device__ inline float reciprocal_root(float variance, float epsilon) {
    return __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(variance, epsilon)));
}

/// out[i] = sums[i] / n.
inline __global__ void divide_kernel(const float *sums, float n, float *out, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) out[i] = __fdiv_rn(sums[i], n);
}

} // namespace halfscope::kernels::device::operations
