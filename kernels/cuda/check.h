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

/// Device memory that this process holds by its own count, in bytes. One thread.
struct DeviceMemoryUse {
    std::size_t now = 0, peak = 0; ///< peak: since somebody last set it
    void take(std::size_t bytes) {
        now += bytes;
        if (now > peak) peak = now;
    }
    void give_back(std::size_t bytes) { now -= bytes; }
};
inline DeviceMemoryUse device_memory_use;

/// Device memory by plain allocation, freed with its owner.
template <typename T> class DeviceArray {
  public:
    explicit DeviceArray(std::size_t count) : count_(count) {
        if (count == 0) return;
        check(cudaMalloc(reinterpret_cast<void **>(&data_), count * sizeof(T)), "cudaMalloc");
        device_memory_use.take(count * sizeof(T));
    }
    ~DeviceArray() {
        cudaFree(data_);
        device_memory_use.give_back(count_ * sizeof(T));
    }
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
