#include "kernels/cpu/instruction_set.h"

namespace halfscope::kernels {

#if defined(__x86_64__)

std::string missing(InstructionSet set) {
    __builtin_cpu_init();
    switch (set) {
    case InstructionSet::sse: return {};
    case InstructionSet::fma:
        return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx") ? "" : "this CPU has no FMA3";
    case InstructionSet::f16c:
        return __builtin_cpu_supports("f16c") && __builtin_cpu_supports("avx") ? "" : "this CPU has no F16C";
    case InstructionSet::avx512_bf16:
        return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vl")
                   ? ""
                   : "this CPU has no AVX512-BF16";
    }
    return {};
}

#else

std::string missing(InstructionSet) { return "this is no x86-64 CPU"; }

#endif

} // namespace halfscope::kernels
