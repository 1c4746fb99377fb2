// AVX512-BF16. Rounds to nearest even; subnormal operands count as zero and subnormal results become zero, whatever
// MXCSR says (Intel 64 and IA-32 Architectures Software Developer's Manual, VCVTNEPS2BF16 and VDPBF16PS).
#include "emulation/number/cpu_dot_product.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/twin/elementwise.h"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace halfscope::kernels {
namespace {

#if defined(__x86_64__)

__attribute__((target("avx512bf16,avx512vl"))) void to_bf16(const float *x, std::uint16_t *out, std::size_t count) {
    for (std::size_t i = 0; i < count; i += 8) {
        // The last few elements go through a whole vector too, so that there is one instruction under test.
        const std::size_t some = count - i < 8 ? count - i : 8;
        float in[8] = {};
        std::memcpy(in, x + i, some * sizeof(float));
        const __m128bh rounded = _mm256_cvtneps_pbh(_mm256_loadu_ps(in));
        std::memcpy(out + i, &rounded, some * sizeof(std::uint16_t));
    }
}

/// One instruction a pair of products: row r is a chain of length / 2 of them from c[r].
__attribute__((target("avx512bf16,avx512vl"))) void dot(const std::uint16_t *a, const std::uint16_t *b, const float *c,
                                                        std::size_t rows, std::size_t length, float *out) {
    for (std::size_t row = 0; row < rows; ++row) {
        __m128 sum = _mm_load_ss(c + row);
        for (std::size_t k = 0; k < length; k += 2) {
            int pair_a = 0, pair_b = 0;
            std::memcpy(&pair_a, a + row * length + k, sizeof pair_a);
            std::memcpy(&pair_b, b + row * length + k, sizeof pair_b);
            sum = _mm_dpbf16_ps(sum, (__m128bh)_mm_cvtsi32_si128(pair_a), (__m128bh)_mm_cvtsi32_si128(pair_b));
        }
        _mm_store_ss(out + row, sum);
    }
}

#else

void to_bf16(const float *, std::uint16_t *, std::size_t) {}
void dot(const std::uint16_t *, const std::uint16_t *, const float *, std::size_t, std::size_t, float *) {}

#endif

/// The same chain by the emulator's scalar reference.
void emulate_dot(const std::uint16_t *a, const std::uint16_t *b, const float *c, std::size_t rows, std::size_t length,
                 float *out) {
    for (std::size_t row = 0; row < rows; ++row) {
        auto sum = std::bit_cast<std::uint32_t>(c[row]);
        for (std::size_t k = row * length; k < (row + 1) * length; k += 2)
            sum = number::dot_pair_bf16(sum, a[k], a[k + 1], b[k], b[k + 1]);
        out[row] = std::bit_cast<float>(sum);
    }
}

template <typename Dot> void run_dot(const KernelCall &call, Dot dot_of) {
    const ops::Shape &shape = call.inputs[0].shape;
    dot_of(call.inputs[0].as<const std::uint16_t>(), call.inputs[1].as<const std::uint16_t>(),
           call.inputs[2].as<const float>(), static_cast<std::size_t>(shape[0]), static_cast<std::size_t>(shape[1]),
           call.output.as<float>());
}

} // namespace

std::vector<Kernel> avx512_bf16_kernels() {
    const auto unavailable = [] { return missing(InstructionSet::avx512_bf16); };
    Kernel conversion;
    conversion.name = "avx512bf16-fp32-to-bf16";
    conversion.task = Task::convert;
    conversion.result = number::FormatId::bf16;
    conversion.order = "vcvtneps2bf16, to nearest even, subnormal operands are zero";
    conversion.nan = NanRule::same_bits;
    conversion.flush_operands = true;
    conversion.unavailable = unavailable;
    conversion.run = [](const KernelCall &call) {
        to_bf16(call.inputs[0].as<const float>(), call.output.as<std::uint16_t>(),
                static_cast<std::size_t>(call.output.shape.elements()));
    };
    conversion.emulate = [](const KernelCall &call) {
        ElementwiseMode mode;
        mode.flush_operands = true;
        emulate_elementwise(Task::convert, mode, call);
    };
    Kernel product;
    product.name = "avx512bf16-dot";
    product.task = Task::dot;
    product.operands = number::FormatId::bf16;
    product.accumulator = number::FormatId::fp32;
    product.order = "vdpbf16ps, pairs in order of k, in each two fma (the odd element first), subnormals are zero";
    product.model = "cpu-avx512bf16";
    product.length_multiple = 2;
    product.flush_operands = true;
    product.unavailable = unavailable;
    product.run = [](const KernelCall &call) { run_dot(call, dot); };
    product.emulate = [](const KernelCall &call) { run_dot(call, emulate_dot); };
    return {conversion, product};
}

} // namespace halfscope::kernels
