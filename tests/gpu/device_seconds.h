// Time on the device, by its own events.
#pragma once

#include "kernels/cuda/check.h"

#include <algorithm>
#include <functional>
#include <vector>

namespace halfscope::gpu {

/// The median of some runs, in seconds, after one to warm up.
inline double seconds_of(const std::function<void()> &work) {
    constexpr int runs = 11;
    using kernels::check;
    cudaEvent_t begin, end;
    check(cudaEventCreate(&begin), "cudaEventCreate");
    check(cudaEventCreate(&end), "cudaEventCreate");
    std::vector<float> milliseconds;
    for (int run = 0; run <= runs; ++run) {
        check(cudaEventRecord(begin), "cudaEventRecord");
        work();
        check(cudaEventRecord(end), "cudaEventRecord");
        check(cudaEventSynchronize(end), "cudaEventSynchronize");
        float took = 0;
        check(cudaEventElapsedTime(&took, begin, end), "cudaEventElapsedTime");
        if (run > 0) milliseconds.push_back(took);
    }
    check(cudaEventDestroy(begin), "cudaEventDestroy");
    check(cudaEventDestroy(end), "cudaEventDestroy");
    std::nth_element(milliseconds.begin(), milliseconds.begin() + runs / 2, milliseconds.end());
    return static_cast<double>(milliseconds[runs / 2]) / 1000;
}

} // namespace halfscope::gpu
