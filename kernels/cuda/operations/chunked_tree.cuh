// The fixed tree over a few long rows: a warp a chunk, so that they are parallel work too; then the tree over the
// chunks' results. (Many short rows: rows.cu, a warp a row.)
#pragma once

#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/tree.cuh"

#include <cstdint>

namespace halfscope::kernels::device::operations {

/// out[row * chunks + chunk] = the tree of one chunk of load(row, 0), ..., load(row, n - 1).
template <typename Step, typename Load>
__global__ void chunk_trees_kernel(Load load, std::int64_t rows, std::int64_t n, std::int64_t chunks, float *out) {
    constexpr std::int64_t chunk_length = ops::reduction::tree_chunk;
    const std::int64_t warp =
        blockIdx.x * std::int64_t{blockDim.x / ops::reduction::tree_lanes} + threadIdx.x / ops::reduction::tree_lanes;
    if (warp >= rows * chunks) return;
    const std::int64_t row = warp / chunks, first = warp % chunks * chunk_length;
    const std::int64_t left = n - first, count = left < chunk_length ? left : chunk_length;
    const float value = tree_of_chunk<Step>(first, count, [&](std::int64_t i) { return load(row, i); });
    if (threadIdx.x % ops::reduction::tree_lanes == 0) out[warp] = value;
}

/// Chunks' results, as the rows of the next tree.
struct ChunkResults {
    const float *values;
    std::int64_t chunks;
    [[nodiscard]] __device__ float operator()(std::int64_t row, std::int64_t i) const {
        return values[row * chunks + i];
    }
};

/// out[row] = the tree over load(row, 0), ..., load(row, n - 1); n > 0. load is called on the device.
template <typename Step, typename Load>
void chunked_trees(const char *name, const Load &load, std::int64_t rows, std::int64_t n, float *out) {
    constexpr unsigned warps_a_block = 4, block = warps_a_block * static_cast<unsigned>(ops::reduction::tree_lanes);
    const std::int64_t chunks = (n + ops::reduction::tree_chunk - 1) / ops::reduction::tree_chunk;
    const auto grid = static_cast<unsigned>((rows * chunks + warps_a_block - 1) / warps_a_block);
    if (grid == 0) return;
    if (chunks == 1) return launch(name, chunk_trees_kernel<Step, Load>, grid, block, load, rows, n, chunks, out);
    const DeviceArray<float> partial(static_cast<std::size_t>(rows * chunks));
    launch(name, chunk_trees_kernel<Step, Load>, grid, block, load, rows, n, chunks, partial.data());
    chunked_trees<Step>(name, ChunkResults{partial.data(), chunks}, rows, chunks, out);
}

} // namespace halfscope::kernels::device::operations
