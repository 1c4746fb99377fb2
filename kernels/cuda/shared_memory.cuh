// Shared memory of a block, in a form that nvcc and the tests' host executor (tests/kernels/simt) both compile:
//   HALFSCOPE_SHARED(float, tile, [16][64]);    __shared__ float tile[16][64], 16-byte aligned
#pragma once

#ifdef __CUDACC__
#define HALFSCOPE_SHARED(type, name, extents) __shared__ __align__(16) type name extents
#else
#define HALFSCOPE_SHARED(type, name, extents) static auto &name = ::simt::shared_variable<type extents>()
#endif
