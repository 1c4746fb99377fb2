// Which of the instructions under test this CPU has.
#pragma once

#include <string>

namespace halfscope::kernels {

enum class InstructionSet { sse, fma, f16c, avx512_bf16 };

/// "" when this CPU (and the operating system, which must keep the registers) has it; else the reason in words.
[[nodiscard]] std::string missing(InstructionSet set);

} // namespace halfscope::kernels
