// One wgmma.mma_async of a warpgroup (four warps in a row, the first a multiple of four): PTX ISA "Asynchronous
// Warpgroup Level Matrix Instructions". Only sm_90a has it. Both operands lie in shared memory and are named by
// descriptors; the accumulator is in registers. Lane l of the warpgroup's warp w, group = l / 4, thread = l % 4:
//   D 64 x N: value i is row 16 w + group + 8 (i / 2 % 2), column 8 (i / 4) + 2 thread + i % 2; fp16: register r holds
//   values 2 r and 2 r + 1
//
// The order of a use: stores to shared memory, then fence_for_wgmma() by who stored, a barrier, begin_wgmma(),
// wgmma..., end_group_of_wgmma(), wait_for_wgmma(). Only then may the registers be touched and the memory overwritten.
#pragma once

#include "kernels/cuda/ptx.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

// Elsewhere these kernels have no body; the tests' host executor has the instructions too.
#if !defined(__CUDACC__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define HALFSCOPE_HAS_WGMMA 1
#endif

namespace halfscope::kernels::device {

enum class Swizzle : std::uint64_t { none = 0, bytes_128 = 1 };

/// PTX ISA "Matrix Descriptor Format": all in units of 16 bytes, the address in bits 0-13, the leading dimension's
/// offset in 16-29, the stride dimension's in 32-45, the swizzling in 62-63. What the two offsets mean depends on the
/// layout, see its use. Without a base offset (49-51): swizzled operands begin at multiples of 1024 bytes, or inside of
/// the first row there.
__device__ inline std::uint64_t matrix_descriptor(std::uint32_t shared, std::uint32_t leading, std::uint32_t stride,
                                                  Swizzle swizzle) {
    const auto encoded = [](std::uint32_t bytes) { return static_cast<std::uint64_t>((bytes & 0x3ffff) >> 4); };
    return encoded(shared) | encoded(leading) << 16 | encoded(stride) << 32 | static_cast<std::uint64_t>(swizzle) << 62;
}

/// Makes this thread's stores to shared memory, and its copies that have arrived, visible to wgmma.
__device__ inline void fence_for_wgmma() { HALFSCOPE_PTX_ALONE("fence.proxy.async.shared::cta;"); }
/// Before the first wgmma, and whenever the accumulator's registers were touched.
__device__ inline void begin_wgmma() { HALFSCOPE_PTX_ALONE("wgmma.fence.sync.aligned;"); }
__device__ inline void end_group_of_wgmma() { HALFSCOPE_PTX_ALONE("wgmma.commit_group.sync.aligned;"); }
/// Waits for all of this warpgroup's groups but the last `left`.
template <int left> __device__ void wait_for_wgmma() {
    static_assert(left == 0 || left == 1);
    if constexpr (left == 1)
        HALFSCOPE_PTX_ALONE("wgmma.wait_group.sync.aligned 1;");
    else
        HALFSCOPE_PTX_ALONE("wgmma.wait_group.sync.aligned 0;");
}

/// A warpgroup's accumulator of 64 x N results: this thread's part.
template <int columns> struct WideFp32Accumulator {
    using Value = float;
    static constexpr int values = columns / 2;
    float registers[columns / 2];
    __device__ void set(int i, float value) { registers[i] = value; }
    [[nodiscard]] __device__ float get(int i) const { return registers[i]; }
};
template <int columns> struct WideFp16Accumulator {
    using Value = __half;
    static constexpr int values = columns / 2;
    std::uint32_t registers[columns / 4];
    __device__ void set(int i, __half value) {
        const std::uint32_t bits = __half_as_ushort(value), shift = 16 * (i % 2);
        registers[i / 2] = (registers[i / 2] & ~(0xffffu << shift)) | (bits << shift);
    }
    [[nodiscard]] __device__ __half get(int i) const {
        return __ushort_as_half(static_cast<unsigned short>(registers[i / 2] >> (16 * (i % 2))));
    }
};
/// Where value i lies in the 64 x N results; `thread` of the warpgroup.
__device__ inline int wide_row_of(int thread, int i) { return thread / 32 * 16 + thread % 32 / 4 + 8 * (i / 2 % 2); }
__device__ inline int wide_column_of(int thread, int i) { return i / 4 * 8 + thread % 4 * 2 + i % 2; }

#ifdef HALFSCOPE_HAS_WGMMA
#define HALFSCOPE_4_OF(use, r, i) use(r[i]), use(r[(i) + 1]), use(r[(i) + 2]), use(r[(i) + 3])
#define HALFSCOPE_16_OF(use, r, i)                                                                                     \
    HALFSCOPE_4_OF(use, r, i), HALFSCOPE_4_OF(use, r, (i) + 4), HALFSCOPE_4_OF(use, r, (i) + 8),                       \
        HALFSCOPE_4_OF(use, r, (i) + 12)
#define HALFSCOPE_64_OF(use, r, i)                                                                                     \
    HALFSCOPE_16_OF(use, r, i), HALFSCOPE_16_OF(use, r, (i) + 16), HALFSCOPE_16_OF(use, r, (i) + 32),                  \
        HALFSCOPE_16_OF(use, r, (i) + 48)
#define HALFSCOPE_64_NAMES                                                                                             \
    "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,"                       \
    "%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"                     \
    "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define HALFSCOPE_128_NAMES                                                                                            \
    "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,"                       \
    "%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"                     \
    "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63,%64,%65,%66,%67,%68,%69,%70,"                     \
    "%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,"                     \
    "%94,%95,%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,%112,"                        \
    "%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"

// d = a b + d: k 16, the accumulator taken (scale-d 1), neither operand negated. The last two numbers say whether a
// and b lie with their rows (a) and columns (b) rather than k side by side.
#define HALFSCOPE_WGMMA(name, names, descriptors, flags, updates)                                                      \
    HALFSCOPE_PTX("wgmma.mma_async.sync.aligned." name " {" names "}, " descriptors ", 1, 1, 1, " flags ";",           \
                  HALFSCOPE_OPERANDS(updates), HALFSCOPE_OPERANDS(HALFSCOPE_IN_WIDE(a), HALFSCOPE_IN_WIDE(b)))

/// 64 x 8, both operands with k side by side. T: what the operands are, for accumulators in fp32.
template <typename T> __device__ void wgmma_of_k(WideFp32Accumulator<8> &d, std::uint64_t a, std::uint64_t b) {
    if constexpr (std::is_same_v<T, __half>)
        HALFSCOPE_WGMMA("m64n8k16.f32.f16.f16", "%0,%1,%2,%3", "%4, %5", "0, 0",
                        HALFSCOPE_OPERANDS(HALFSCOPE_4_OF(HALFSCOPE_UPDATE_FP32, d.registers, 0)));
    else
        HALFSCOPE_WGMMA("m64n8k16.f32.bf16.bf16", "%0,%1,%2,%3", "%4, %5", "0, 0",
                        HALFSCOPE_OPERANDS(HALFSCOPE_4_OF(HALFSCOPE_UPDATE_FP32, d.registers, 0)));
}
template <typename T> __device__ void wgmma_of_k(WideFp16Accumulator<8> &d, std::uint64_t a, std::uint64_t b) {
    HALFSCOPE_WGMMA("m64n8k16.f16.f16.f16", "%0,%1", "%2, %3", "0, 0",
                    HALFSCOPE_OPERANDS(HALFSCOPE_UPDATE(d.registers[0]), HALFSCOPE_UPDATE(d.registers[1])));
}

#define HALFSCOPE_WGMMA_FP32(types, flags)                                                                             \
    HALFSCOPE_WGMMA("m64n256k16.f32." types, HALFSCOPE_128_NAMES, "%128, %129", flags,                                 \
                    HALFSCOPE_OPERANDS(HALFSCOPE_64_OF(HALFSCOPE_UPDATE_FP32, d.registers, 0),                         \
                                       HALFSCOPE_64_OF(HALFSCOPE_UPDATE_FP32, d.registers, 64)))
#define HALFSCOPE_WGMMA_FP16(types, flags)                                                                             \
    HALFSCOPE_WGMMA("m64n256k16.f16." types, HALFSCOPE_64_NAMES, "%64, %65", flags,                                    \
                    HALFSCOPE_OPERANDS(HALFSCOPE_64_OF(HALFSCOPE_UPDATE, d.registers, 0)))
// The flags are part of the instruction's text.
#define HALFSCOPE_WGMMA_OF_LAYOUT(wgmma, types)                                                                        \
    if constexpr (a_rows && b_columns)                                                                                 \
        wgmma(types, "1, 1");                                                                                          \
    else if constexpr (a_rows)                                                                                         \
        wgmma(types, "1, 0");                                                                                          \
    else if constexpr (b_columns)                                                                                      \
        wgmma(types, "0, 1");                                                                                          \
    else                                                                                                               \
        wgmma(types, "0, 0")

/// 64 x 256; a with its rows side by side or with k, b with its columns or with k.
template <typename T, bool a_rows, bool b_columns>
__device__ void wgmma_wide(WideFp32Accumulator<256> &d, std::uint64_t a, std::uint64_t b) {
    if constexpr (std::is_same_v<T, __half>) {
        HALFSCOPE_WGMMA_OF_LAYOUT(HALFSCOPE_WGMMA_FP32, "f16.f16");
    } else {
        HALFSCOPE_WGMMA_OF_LAYOUT(HALFSCOPE_WGMMA_FP32, "bf16.bf16");
    }
}
template <typename T, bool a_rows, bool b_columns>
__device__ void wgmma_wide(WideFp16Accumulator<256> &d, std::uint64_t a, std::uint64_t b) {
    HALFSCOPE_WGMMA_OF_LAYOUT(HALFSCOPE_WGMMA_FP16, "f16.f16");
}
#endif

} // namespace halfscope::kernels::device
