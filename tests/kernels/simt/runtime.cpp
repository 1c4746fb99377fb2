// The calls of the CUDA runtime that HalfScope makes, for the host executor. Device memory is ordinary memory between
// pages that can not be touched; it is full of NaN until somebody writes it.
#include "tests/kernels/simt/executor.h"

#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <cstring>
#include <map>
#include <stdexcept>

namespace {

constexpr std::size_t page = 4096, alignment = 16;
constexpr int guard_value = 0xc3;

struct Allocation {
    std::byte *mapped;
    std::size_t mapped_bytes, bytes;
};

/// By the first byte.
std::map<const std::byte *, Allocation> &allocations() {
    static std::map<const std::byte *, Allocation> all;
    return all;
}

const std::pair<const std::byte *const, Allocation> *allocation_of(const void *pointer) {
    const auto *at = static_cast<const std::byte *>(pointer);
    auto found = allocations().upper_bound(at);
    if (found == allocations().begin()) return nullptr;
    --found;
    return at < found->first + found->second.bytes ? &*found : nullptr;
}

bool holds(const void *pointer, std::size_t bytes) {
    const auto *allocation = allocation_of(pointer);
    return allocation != nullptr &&
           static_cast<const std::byte *>(pointer) + bytes <= allocation->first + allocation->second.bytes;
}

} // namespace

void simt::require_device_memory(const char *kernel, const void *pointer) {
    if (pointer != nullptr && allocation_of(pointer) == nullptr)
        throw std::runtime_error(std::string(kernel) + ": an argument points to memory that is not the device's");
}

extern "C" {

cudaError_t CUDARTAPI cudaMalloc(void **pointer, std::size_t bytes) {
    *pointer = nullptr;
    if (bytes == 0) return cudaSuccess;
    const std::size_t room = (bytes + alignment + page - 1) / page * page;
    void *mapped = mmap(nullptr, room + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return cudaErrorMemoryAllocation;
    auto *first = static_cast<std::byte *>(mapped);
    mprotect(first, page, PROT_NONE);
    mprotect(first + page + room, page, PROT_NONE);
    std::memset(first + page, guard_value, room);
    // As close to the end as alignment allows: reading beyond it fails.
    std::byte *data = first + page + (room - bytes) / alignment * alignment;
    std::memset(data, 0xff, bytes);
    allocations()[data] = {first, room + 2 * page, bytes};
    *pointer = data;
    return cudaSuccess;
}

cudaError_t CUDARTAPI cudaFree(void *pointer) {
    if (pointer == nullptr) return cudaSuccess;
    const auto found = allocations().find(static_cast<const std::byte *>(pointer));
    if (found == allocations().end()) return cudaErrorInvalidValue;
    const auto [mapped, mapped_bytes, bytes] = found->second;
    const auto *data = static_cast<const std::byte *>(pointer);
    bool intact = true;
    for (const std::byte *at = mapped + page; at < data; ++at) intact = intact && *at == std::byte{guard_value};
    for (const std::byte *at = data + bytes; at < mapped + mapped_bytes - page; ++at)
        intact = intact && *at == std::byte{guard_value};
    munmap(mapped, mapped_bytes);
    allocations().erase(found);
    if (!intact) std::terminate(); // a destructor calls: there is nobody to throw to
    return cudaSuccess;
}

cudaError_t CUDARTAPI cudaMemcpy(void *to, const void *from, std::size_t bytes, cudaMemcpyKind kind) {
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (bytes == 0) return cudaSuccess;
    if (to_device ? !holds(to, bytes) : allocation_of(to) != nullptr) return cudaErrorInvalidValue;
    if (from_device ? !holds(from, bytes) : allocation_of(from) != nullptr) return cudaErrorInvalidValue;
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}

cudaError_t CUDARTAPI cudaMemset(void *to, int value, std::size_t bytes) {
    if (bytes > 0 && !holds(to, bytes)) return cudaErrorInvalidValue;
    if (bytes > 0) std::memset(to, value, bytes);
    return cudaSuccess;
}

cudaError_t CUDARTAPI cudaGetLastError() { return cudaSuccess; }
cudaError_t CUDARTAPI cudaDeviceSynchronize() { return cudaSuccess; }
const char *CUDARTAPI cudaGetErrorString(cudaError_t error) {
    return error == cudaErrorInvalidValue       ? "invalid argument"
           : error == cudaErrorMemoryAllocation ? "out of memory"
                                                : "no error";
}
cudaError_t CUDARTAPI cudaGetDeviceCount(int *count) {
    *count = 1;
    return cudaSuccess;
}
cudaError_t CUDARTAPI cudaGetDevice(int *which) {
    *which = 0;
    return cudaSuccess;
}
cudaError_t CUDARTAPI cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int) {
    switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor: *value = simt::device().major; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor: *value = simt::device().minor; return cudaSuccess;
    default: return cudaErrorInvalidValue;
    }
}
cudaError_t CUDARTAPI cudaGetDeviceProperties(cudaDeviceProp *properties, int) {
    *properties = {};
    std::strcpy(properties->name, "host executor"); // NOLINT: it fits
    properties->major = simt::device().major;
    properties->minor = simt::device().minor;
    return cudaSuccess;
}
cudaError_t CUDARTAPI cudaDriverGetVersion(int *version) {
    *version = 0;
    return cudaSuccess;
}
}
