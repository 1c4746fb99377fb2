// F16C: fp32 to fp16 and back. The rounding is in the instruction; MXCSR's DAZ and FTZ are not looked at.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/twin/elementwise.h"

#include <stdexcept>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace halfscope::kernels {
namespace {

using number::Rounding;

#if defined(__x86_64__)

template <int ROUNDING>
__attribute__((target("avx,f16c"))) void to_fp16(const float *x, std::uint16_t *out, std::size_t count) {
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm_storeu_si128(reinterpret_cast<__m128i *>(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), ROUNDING));
    for (; i < count; ++i) {
        const __m128i one = _mm_cvtps_ph(_mm_load_ss(x + i), ROUNDING);
        out[i] = static_cast<std::uint16_t>(_mm_extract_epi16(one, 0));
    }
}

__attribute__((target("avx,f16c"))) void from_fp16(const std::uint16_t *x, float *out, std::size_t count) {
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(x + i))));
    for (; i < count; ++i) _mm_store_ss(out + i, _mm_cvtph_ps(_mm_cvtsi32_si128(x[i])));
}

void to_fp16(Rounding rounding, const float *x, std::uint16_t *out, std::size_t count) {
    switch (rounding) {
    case Rounding::nearest_even: return to_fp16<_MM_FROUND_TO_NEAREST_INT>(x, out, count);
    case Rounding::toward_zero: return to_fp16<_MM_FROUND_TO_ZERO>(x, out, count);
    case Rounding::up: return to_fp16<_MM_FROUND_TO_POS_INF>(x, out, count);
    case Rounding::down: return to_fp16<_MM_FROUND_TO_NEG_INF>(x, out, count);
    default: throw std::invalid_argument("vcvtps2ph has no such rounding");
    }
}

#else

void to_fp16(Rounding, const float *, std::uint16_t *, std::size_t) {}
void from_fp16(const std::uint16_t *, float *, std::size_t) {}

#endif

Kernel narrowing(std::string name, Rounding rounding, std::string order) {
    Kernel kernel;
    kernel.name = std::move(name);
    kernel.task = Task::convert;
    kernel.result = number::FormatId::fp16;
    kernel.order = "vcvtps2ph, " + std::move(order);
    kernel.nan = NanRule::same_bits;
    kernel.rounding = rounding;
    kernel.unavailable = [] { return missing(InstructionSet::f16c); };
    kernel.run = [rounding](const KernelCall &call) {
        to_fp16(rounding, call.inputs[0].as<const float>(), call.output.as<std::uint16_t>(),
                static_cast<std::size_t>(call.output.shape.elements()));
    };
    kernel.emulate = [rounding](const KernelCall &call) {
        ElementwiseMode mode;
        mode.rounding.rounding = rounding;
        emulate_elementwise(Task::convert, mode, call);
    };
    return kernel;
}

} // namespace

std::vector<Kernel> f16c_kernels() {
    std::vector<Kernel> kernels{
        narrowing("f16c-fp32-to-fp16", Rounding::nearest_even, "to nearest even"),
        narrowing("f16c-fp32-to-fp16-toward-zero", Rounding::toward_zero, "toward zero"),
        narrowing("f16c-fp32-to-fp16-up", Rounding::up, "toward +inf"),
        narrowing("f16c-fp32-to-fp16-down", Rounding::down, "toward -inf"),
    };
    Kernel widening;
    widening.name = "f16c-fp16-to-fp32";
    widening.task = Task::convert;
    widening.operands = number::FormatId::fp16;
    widening.order = "vcvtph2ps, exact";
    widening.nan = NanRule::same_bits;
    widening.unavailable = [] { return missing(InstructionSet::f16c); };
    widening.run = [](const KernelCall &call) {
        from_fp16(call.inputs[0].as<const std::uint16_t>(), call.output.as<float>(),
                  static_cast<std::size_t>(call.output.shape.elements()));
    };
    widening.emulate = [](const KernelCall &call) { emulate_elementwise(Task::convert, {}, call); };
    kernels.push_back(std::move(widening));
    return kernels;
}

} // namespace halfscope::kernels
