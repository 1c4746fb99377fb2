// Shared memory of a block, in a form that nvcc and the tests' host executor (tests/kernels/simt) both compile:
//   HALFSCOPE_SHARED(float, tile, [16][64]);    __shared__ float tile[16][64], 16-byte aligned
//   HALFSCOPE_DYNAMIC_SHARED(bytes);            unsigned char *bytes, as much as launch_with_shared was told
#pragma once

#include <cstdint>

// 1024: where the pattern of swizzled operands of wgmma begins.
#ifdef __CUDACC__
#define HALFSCOPE_SHARED(type, name, extents) __shared__ __align__(16) type name extents
#define HALFSCOPE_DYNAMIC_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]
#else
#define HALFSCOPE_SHARED(type, name, extents) static auto &name = ::simt::shared_variable<type extents>()
#define HALFSCOPE_DYNAMIC_SHARED(name) unsigned char *const name = ::simt::dynamic_shared_memory()
#endif

namespace halfscope::kernels::device {

/// An address of shared memory as PTX instructions take it.
__device__ inline std::uint32_t shared_address(const void *pointer) {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer));
}

} // namespace halfscope::kernels::device
