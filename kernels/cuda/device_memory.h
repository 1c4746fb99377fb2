// Device memory by plain allocation. cudaMalloc and cudaFree make the host wait for the device, and a training step
// asks for the same sizes over and over: blocks that are given back can be kept and used again. All work here is on
// one stream, so a block's next user comes after its last. One thread.
#pragma once

#include "kernels/cuda/check.h"

#include <cstddef>
#include <map>
#include <new>
#include <unordered_map>

namespace halfscope::kernels {

class DeviceHeap {
  public:
    /// Not initialised. Throws std::bad_alloc when the device has no more.
    [[nodiscard]] void *take(std::size_t bytes) {
        Block block{bytes, bytes};
        void *memory = reuse(block);
        if (memory == nullptr) memory = allocate(bytes);
        taken_[memory] = block;
        in_use_ += bytes;
        if (in_use_ > peak_) peak_ = in_use_;
        return memory;
    }
    /// Of null, nothing.
    void give_back(void *memory) noexcept {
        const auto found = taken_.find(memory);
        if (found == taken_.end()) return;
        in_use_ -= found->second.asked;
        if (keeps_)
            kept_.emplace(found->second.size, memory);
        else
            cudaFree(memory);
        taken_.erase(found);
    }

    /// Whether blocks given back are kept from now on; those that were are freed when not.
    void keep(bool keeps) noexcept {
        keeps_ = keeps;
        if (!keeps) free_kept();
    }
    [[nodiscard]] std::size_t blocks_kept() const { return kept_.size(); }

    /// The most bytes taken at one time, since forget_peak if that was called. What is kept is not counted.
    [[nodiscard]] std::size_t peak() const { return peak_; }
    void forget_peak() { peak_ = in_use_; }

  private:
    struct Block {
        std::size_t size;  ///< bytes allocated
        std::size_t asked; ///< bytes its user knows of
    };

    /// The smallest block that is kept and fits, unless most of it would lie idle.
    void *reuse(Block &block) {
        const auto found = kept_.lower_bound(block.asked);
        constexpr std::size_t small = 4096;
        if (found == kept_.end() || found->first > block.asked + block.asked / 4 + small) return nullptr;
        void *memory = found->second;
        block.size = found->first;
        kept_.erase(found);
        return memory;
    }
    void *allocate(std::size_t bytes) {
        void *memory = nullptr;
        const std::size_t room = bytes == 0 ? 1 : bytes;
        cudaError_t code = cudaMalloc(&memory, room);
        if (code == cudaErrorMemoryAllocation && !kept_.empty()) {
            (void)cudaGetLastError(); // seen to
            free_kept();
            code = cudaMalloc(&memory, room);
        }
        if (code == cudaErrorMemoryAllocation) {
            (void)cudaGetLastError();
            throw std::bad_alloc();
        }
        check(code, "cudaMalloc");
        return memory;
    }
    void free_kept() noexcept {
        for (const auto &[size, memory] : kept_) cudaFree(memory);
        kept_.clear();
    }

    bool keeps_ = false;
    std::size_t in_use_ = 0, peak_ = 0;
    std::multimap<std::size_t, void *> kept_; ///< by size
    std::unordered_map<void *, Block> taken_;
};
inline DeviceHeap device_heap;

/// Elements on the device, given back with their owner.
template <typename T> class DeviceArray {
  public:
    explicit DeviceArray(std::size_t count) : count_(count) {
        if (count > 0) data_ = static_cast<T *>(device_heap.take(count * sizeof(T)));
    }
    ~DeviceArray() { device_heap.give_back(data_); }
    DeviceArray(const DeviceArray &) = delete;
    DeviceArray &operator=(const DeviceArray &) = delete;

    [[nodiscard]] T *data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return count_; }
    void upload(const T *host) {
        check(cudaMemcpy(data_, host, count_ * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy to the device");
    }
    void download(T *host) const { download(host, count_); }
    /// The first `count` of them.
    void download(T *host, std::size_t count) const {
        check(cudaMemcpy(host, data_, count * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy from the device");
    }

  private:
    T *data_ = nullptr;
    std::size_t count_ = 0;
};

} // namespace halfscope::kernels
