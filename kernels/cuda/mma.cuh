// One mma.sync of a warp and its fragments, PTX ISA "Matrix Fragments for mma.m16n8k16" and "... .m16n8k8".
//
// With group = lane / 4 and thread = lane % 4:
//   A 16 x 16 (16-bit): register r holds row group + 8 (r % 2), columns 2 thread + 8 (r / 2) and the next
//   B 16 x 8  (16-bit): register r holds rows 2 thread + 8 r and the next, column group
//   C, D 16 x 8 (fp32): value i is row group + 8 (i / 2), column 2 thread + i % 2; fp16: register r holds values 2r
//                       and 2r + 1
//   A 16 x 8 (tf32): register r holds row group + 8 (r % 2), column thread + 4 (r / 2)
//   B 8 x 8 (tf32): register r holds row thread + 4 r, column group
#pragma once

#include "kernels/cuda/ptx.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace halfscope::kernels::device {

struct Tf32 {
    std::uint32_t bits; ///< an fp32 of which the unit reads the upper 19 bits
};

/// The accumulator fragment of a warp's 16 x 8 results.
struct Fp32Accumulator {
    using Value = float;
    float values[4];
    __device__ void set(int i, float value) { values[i] = value; }
    [[nodiscard]] __device__ float get(int i) const { return values[i]; }
};
struct Fp16Accumulator {
    using Value = __half;
    std::uint32_t registers[2];
    __device__ void set(int i, __half value) {
        const std::uint32_t bits = __half_as_ushort(value), shift = 16 * (i % 2);
        registers[i / 2] = (registers[i / 2] & ~(0xffffu << shift)) | (bits << shift);
    }
    [[nodiscard]] __device__ __half get(int i) const {
        return __ushort_as_half(static_cast<unsigned short>(registers[i / 2] >> (16 * (i % 2))));
    }
};

template <typename T> __device__ void mma(Fp32Accumulator &d, const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);
template <>
__device__ inline void mma<__half>(Fp32Accumulator &d, const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    HALFSCOPE_PTX(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};",
        HALFSCOPE_OPERANDS(HALFSCOPE_UPDATE_FP32(d.values[0]), HALFSCOPE_UPDATE_FP32(d.values[1]),
                           HALFSCOPE_UPDATE_FP32(d.values[2]), HALFSCOPE_UPDATE_FP32(d.values[3])),
        HALFSCOPE_OPERANDS(HALFSCOPE_IN(a[0]), HALFSCOPE_IN(a[1]), HALFSCOPE_IN(a[2]), HALFSCOPE_IN(a[3]),
                           HALFSCOPE_IN(b[0]), HALFSCOPE_IN(b[1])));
}
template <>
__device__ inline void mma<__nv_bfloat16>(Fp32Accumulator &d, const std::uint32_t (&a)[4],
                                          const std::uint32_t (&b)[2]) {
    HALFSCOPE_PTX(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};",
        HALFSCOPE_OPERANDS(HALFSCOPE_UPDATE_FP32(d.values[0]), HALFSCOPE_UPDATE_FP32(d.values[1]),
                           HALFSCOPE_UPDATE_FP32(d.values[2]), HALFSCOPE_UPDATE_FP32(d.values[3])),
        HALFSCOPE_OPERANDS(HALFSCOPE_IN(a[0]), HALFSCOPE_IN(a[1]), HALFSCOPE_IN(a[2]), HALFSCOPE_IN(a[3]),
                           HALFSCOPE_IN(b[0]), HALFSCOPE_IN(b[1])));
}
template <>
__device__ inline void mma<Tf32>(Fp32Accumulator &d, const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    HALFSCOPE_PTX(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};",
        HALFSCOPE_OPERANDS(HALFSCOPE_UPDATE_FP32(d.values[0]), HALFSCOPE_UPDATE_FP32(d.values[1]),
                           HALFSCOPE_UPDATE_FP32(d.values[2]), HALFSCOPE_UPDATE_FP32(d.values[3])),
        HALFSCOPE_OPERANDS(HALFSCOPE_IN(a[0]), HALFSCOPE_IN(a[1]), HALFSCOPE_IN(a[2]), HALFSCOPE_IN(a[3]),
                           HALFSCOPE_IN(b[0]), HALFSCOPE_IN(b[1])));
}
template <typename T>
__device__ void mma(Fp16Accumulator &d, const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    HALFSCOPE_PTX("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%0,%1};",
                  HALFSCOPE_OPERANDS(HALFSCOPE_UPDATE(d.registers[0]), HALFSCOPE_UPDATE(d.registers[1])),
                  HALFSCOPE_OPERANDS(HALFSCOPE_IN(a[0]), HALFSCOPE_IN(a[1]), HALFSCOPE_IN(a[2]), HALFSCOPE_IN(a[3]),
                                     HALFSCOPE_IN(b[0]), HALFSCOPE_IN(b[1])));
}

/// Where value i of an accumulator fragment lies in the tile of 16 x 8.
__device__ inline int row_of(int lane, int i) { return lane / 4 + 8 * (i / 2); }
__device__ inline int column_of(int lane, int i) { return lane % 4 * 2 + i % 2; }

} // namespace halfscope::kernels::device
