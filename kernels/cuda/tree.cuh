// The fixed tree of emulation/ops/reduction/tree.h on a warp: lane l of the tree is lane l of the warp.
#pragma once

#include "emulation/ops/reduction/tree.h"

#include <cstdint>

namespace halfscope::kernels::device {

inline constexpr unsigned whole_warp = 0xffffffffu;

struct SumStep {
    static __device__ float start(float) { return 0; }
    static __device__ float combine(float a, float b) { return __fadd_rn(a, b); }
};
struct ProductStep {
    static __device__ float start(float) { return 1; }
    static __device__ float combine(float a, float b) { return __fmul_rn(a, b); }
};
/// NaN when either is; of equals the first.
struct MaximumStep {
    static __device__ float start(float first) { return first; }
    static __device__ float combine(float a, float b) { return a >= b || isnan(a) ? a : b; }
};
struct MinimumStep {
    static __device__ float start(float first) { return first; }
    static __device__ float combine(float a, float b) { return a <= b || isnan(a) ? a : b; }
};

/// One chunk, load(i) for i in [first, first + count), 0 < count <= tree_chunk, by all lanes of a warp; every lane gets
/// the result.
template <typename Step, typename Load>
__device__ float tree_of_chunk(std::int64_t first, std::int64_t count, Load load) {
    const int lane = threadIdx.x % ops::reduction::tree_lanes;
    float value = Step::start(load(first));
    for (std::int64_t i = lane; i < count; i += ops::reduction::tree_lanes)
        value = Step::combine(value, load(first + i));
    for (int half = ops::reduction::tree_lanes / 2; half > 0; half /= 2) {
        const float other = __shfl_down_sync(whole_warp, value, half);
        if (lane < half) value = Step::combine(value, other);
    }
    return __shfl_sync(whole_warp, value, 0);
}

/// The tree over load(0) .. load(n - 1), n > 0, by a warp; `chunks` has room for n / tree_chunk + 1 values of this
/// warp's own when n > tree_chunk.
template <typename Step, typename Load> __device__ float tree(std::int64_t n, Load load, float *chunks) {
    constexpr std::int64_t chunk = ops::reduction::tree_chunk;
    if (n <= chunk) return tree_of_chunk<Step>(0, n, load);
    const int lane = threadIdx.x % ops::reduction::tree_lanes;
    std::int64_t left = 0;
    for (std::int64_t first = 0; first < n; first += chunk) {
        const float value = tree_of_chunk<Step>(first, n - first < chunk ? n - first : chunk, load);
        if (lane == 0) chunks[left] = value;
        ++left;
    }
    __syncwarp();
    const auto kept = [chunks](std::int64_t i) { return chunks[i]; };
    while (left > chunk) {
        std::int64_t next = 0;
        for (std::int64_t first = 0; first < left; first += chunk) {
            const float value = tree_of_chunk<Step>(first, left - first < chunk ? left - first : chunk, kept);
            __syncwarp();
            if (lane == 0) chunks[next] = value; // never above `first`: already read
            ++next;
        }
        __syncwarp();
        left = next;
    }
    return tree_of_chunk<Step>(0, left, kept);
}

} // namespace halfscope::kernels::device
