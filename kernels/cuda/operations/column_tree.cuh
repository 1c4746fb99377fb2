// The fixed tree over the columns of a matrix: neighbouring results' values lie side by side, so a warp takes one lane
// of the tree of 32 columns, and a block all lanes. (Values of one result side by side: chunked_tree.cuh.)
#pragma once

#include "kernels/cuda/operations/chunked_tree.cuh"
#include "kernels/cuda/shared_memory.cuh"

namespace halfscope::kernels::device::operations {

inline constexpr int columns_a_block = 32;
inline constexpr unsigned column_threads = columns_a_block * static_cast<unsigned>(ops::reduction::tree_lanes);

/// out[column * chunks + chunk] = the tree of chunk blockIdx.y of load(column, 0), ..., load(column, n - 1).
template <typename Step, typename Load>
__global__ void __launch_bounds__(column_threads)
    column_trees_kernel(Load load, std::int64_t columns, std::int64_t n, std::int64_t chunks, float *out) {
    constexpr int lanes = static_cast<int>(ops::reduction::tree_lanes);
    HALFSCOPE_SHARED(float, values, [lanes][columns_a_block]);
    const int inside = static_cast<int>(threadIdx.x) % columns_a_block;
    const int lane = static_cast<int>(threadIdx.x) / columns_a_block;
    const std::int64_t column = blockIdx.x * std::int64_t{columns_a_block} + inside;
    const std::int64_t first = blockIdx.y * ops::reduction::tree_chunk;
    const std::int64_t left = n - first,
                       end = left < ops::reduction::tree_chunk ? n : first + ops::reduction::tree_chunk;
    if (column < columns) {
        float value = Step::start(load(column, first));
        for (std::int64_t i = first + lane; i < end; i += lanes) value = Step::combine(value, load(column, i));
        values[lane][inside] = value;
    }
    for (int half = lanes / 2; half > 0; half /= 2) {
        __syncthreads();
        if (lane < half && column < columns)
            values[lane][inside] = Step::combine(values[lane][inside], values[lane + half][inside]);
    }
    if (lane == 0 && column < columns) out[column * chunks + blockIdx.y] = values[0][inside];
}

/// out[column] = the tree over load(column, 0), ..., load(column, n - 1); n > 0. load is called on the device.
template <typename Step, typename Load>
void column_trees(const char *name, const Load &load, std::int64_t columns, std::int64_t n, float *out) {
    constexpr std::int64_t most_chunks = 65535; // of a grid
    const std::int64_t chunks = (n + ops::reduction::tree_chunk - 1) / ops::reduction::tree_chunk;
    if (columns < columns_a_block || chunks > most_chunks) return chunked_trees<Step>(name, load, columns, n, out);
    const dim3 grid(static_cast<unsigned>((columns + columns_a_block - 1) / columns_a_block),
                    static_cast<unsigned>(chunks));
    if (chunks == 1)
        return launch(name, column_trees_kernel<Step, Load>, grid, column_threads, load, columns, n, chunks, out);
    const DeviceArray<float> partial(static_cast<std::size_t>(columns * chunks));
    launch(name, column_trees_kernel<Step, Load>, grid, column_threads, load, columns, n, chunks, partial.data());
    chunked_trees<Step>(name, ChunkResults{partial.data(), chunks}, columns, chunks, out);
}

} // namespace halfscope::kernels::device::operations
