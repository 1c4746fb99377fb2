// The one engine behind transpose, expand, concat, slice and pad: a copy between two strided views of equal dtype.
#pragma once

#include "emulation/ops/tensor.h"
#include "emulation/ops/thread_pool.h"

#include <array>
#include <cstdint>

namespace halfscope::ops::movement {

/// out[out_offset + sum i_a * out_strides[a]] = in[in_offset + sum i_a * in_strides[a]] for every index in `sizes`.
/// Strides and offsets count elements; in strides may be 0 or negative; no element of `out` is named twice.
struct StridedCopy {
    int rank = 0;
    std::array<std::int64_t, Shape::max_rank> sizes{}, in_strides{}, out_strides{};
    std::int64_t in_offset = 0, out_offset = 0;

    void add_axis(std::int64_t size, std::int64_t in_stride, std::int64_t out_stride);
    /// The same copy without axes of size 1 and with axes merged that run on in both views; at least one axis.
    [[nodiscard]] StridedCopy merged() const;
    [[nodiscard]] std::int64_t elements() const;
    void run(const void *in, void *out, DType dtype, ThreadPool &threads) const;
};

/// Row-major strides in elements.
[[nodiscard]] std::array<std::int64_t, Shape::max_rank> dense_strides(const Shape &shape);

} // namespace halfscope::ops::movement
