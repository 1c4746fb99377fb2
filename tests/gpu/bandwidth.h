// What the device's memory gives: a plain copy, and beside it the pass that rounds and measures a tensor.
#pragma once

namespace halfscope::gpu {

struct Bandwidths {
    double copy = 0; ///< GB/s, read and written, of cudaMemcpy within the device
    /// GB/s of rounding fp32 to fp16 with statistics and histogram: 4 bytes read and 2 written an element. Its own
    /// memory and bringing the statistics to the host are in it.
    double statistics = 0;
};

/// Needs a device with 3 GiB free. Throws std::runtime_error naming the CUDA call that failed.
[[nodiscard]] Bandwidths measure_bandwidths();

} // namespace halfscope::gpu
