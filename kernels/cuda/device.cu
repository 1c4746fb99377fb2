#include "kernels/device.h"

#include <cuda_runtime_api.h>

namespace halfscope::kernels {

bool cuda_available() {
    int devices = 0;
    return cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0;
}

std::string cuda_status() {
    int devices = 0;
    const cudaError_t code = cudaGetDeviceCount(&devices);
    if (code != cudaSuccess) return std::string("compiled in, but no device can be used: ") + cudaGetErrorString(code);
    if (devices == 0) return "compiled in, but this machine has no device";
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, 0) != cudaSuccess) return "compiled in, but device 0 does not answer";
    int driver = 0;
    cudaDriverGetVersion(&driver);
    return std::string(properties.name) + " (sm_" + std::to_string(properties.major) +
           std::to_string(properties.minor) + "), driver for CUDA " + std::to_string(driver / 1000) + "." +
           std::to_string(driver % 1000 / 10);
}

} // namespace halfscope::kernels
