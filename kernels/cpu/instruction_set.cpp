#include "kernels/cpu/instruction_set.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace halfscope::kernels {

#if defined(__x86_64__)

namespace {
/// CPUID leaf 7, subleaf 1, EAX bit 5. Not every compiler's __builtin_cpu_supports knows the name.
bool has_avx512_bf16() {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 5 & 1) != 0;
}

bool has_f16c() { // likewise
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> 29 & 1) != 0;
}
} // namespace

std::string missing(InstructionSet set) {
    __builtin_cpu_init();
    switch (set) {
    case InstructionSet::sse: return {};
    case InstructionSet::fma:
        return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx") ? "" : "this CPU has no FMA3";
    case InstructionSet::f16c: return has_f16c() && __builtin_cpu_supports("avx") ? "" : "this CPU has no F16C";
    case InstructionSet::avx512_bf16:
        return has_avx512_bf16() && __builtin_cpu_supports("avx512vl") // and the system keeps the registers
                   ? ""
                   : "this CPU has no AVX512-BF16";
    }
    return {};
}

#else

std::string missing(InstructionSet) { return "this is no x86-64 CPU"; }

#endif

} // namespace halfscope::kernels
