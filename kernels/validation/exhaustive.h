// Conversions from fp32 on all 2^32 inputs.
#pragma once

#include "emulation/ops/thread_pool.h"
#include "kernels/judge/judgement.h"
#include "kernels/registry/kernel.h"

namespace halfscope::kernels {

/// Conversions from fp32 that have a twin.
[[nodiscard]] bool takes_all_patterns(const Kernel &kernel);

/// Element i of the judgement is the pattern i. Bits of all; errors against the exact result of evenly spaced ones.
/// `seconds` receives the kernel's own share of the time.
[[nodiscard]] judge::Judgement judge_all_patterns(const Kernel &kernel, ops::ThreadPool &threads, double &seconds);

} // namespace halfscope::kernels
