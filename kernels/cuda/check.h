// Every return code of the CUDA runtime is looked at.
#pragma once

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

namespace halfscope::kernels {

inline void check(cudaError_t code, const char *call) {
    if (code != cudaSuccess)
        throw std::runtime_error(std::string("CUDA: ") + call + " failed: " + cudaGetErrorString(code));
}

} // namespace halfscope::kernels
