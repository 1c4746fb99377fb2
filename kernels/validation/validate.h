// Runs a kernel under test beside its emulator twin on the same inputs and has the results judged.
#pragma once

#include "emulation/ops/thread_pool.h"
#include "kernels/inputs/inputs.h"
#include "kernels/record/validation.h"
#include "kernels/registry/kernel.h"

namespace halfscope::kernels {

struct ValidationOptions {
    InputOptions inputs;
    bool exhaustive = false; ///< conversions from fp32: all 2^32 patterns
};

/// What the kernel says of itself; not judged yet.
[[nodiscard]] Validation describe(const Kernel &kernel);

/// A kernel that is not available is skipped, with its reason. The kernel runs twice: results that differ between the
/// two runs are a bug of their own. Throws what the kernel throws.
[[nodiscard]] Validation validate(const Kernel &kernel, const ValidationOptions &options, ops::ThreadPool &threads);

} // namespace halfscope::kernels
