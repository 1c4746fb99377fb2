// Operations on a backend under test beside the CPU emulator's.
#pragma once

#include "emulation/ops/thread_pool.h"
#include "kernels/judge/judgement.h"
#include "kernels/registry/kernel.h"

#include <string>

namespace halfscope::kernels {

/// Runs every case of a Task::operation kernel on its machine, once measured and once not, and on the emulator.
/// bit_equal where all results have the emulator's bits (any NaN for a NaN) and all statistics are equal; else a real
/// bug, the first case named. `size` as in operation_cases, `inputs` becomes what was given, in words; `seconds` what
/// the machine took, copies included.
[[nodiscard]] judge::Judgement judge_operations(const Kernel &kernel, std::int64_t size, ops::ThreadPool &threads,
                                                std::string &inputs, double &seconds);

} // namespace halfscope::kernels
