// Kernels with one mistake each, for the executor's own test.
#pragma once

#include <vector>

namespace simt::faulty {

/// Reverses 64 values through shared memory, with or without the barrier between writing and reading.
[[nodiscard]] std::vector<float> reverse(bool with_barrier);
/// A value that reads a shared variable nobody wrote.
[[nodiscard]] float read_unwritten();
/// Half of a block waits at a barrier, the other half at a shuffle of the whole warp.
void part_ways();
/// A shuffle from a lane that has returned.
void ask_the_departed();
/// A kernel that is given host memory.
void take_host_memory();
/// A load of matrix fragments from an odd address.
void load_unaligned();
/// 16 x 8 results of whole numbers by one mma.sync, with A's middle registers exchanged or not; true when they are
/// those of the plain product.
[[nodiscard]] bool multiply(bool registers_exchanged);

} // namespace simt::faulty
