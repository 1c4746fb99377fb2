// Runs a kernel on memory that shows what it should not do.
#pragma once

#include "kernels/registry/kernel.h"

namespace halfscope::kernels {

struct GuardedRun {
    ops::HostTensor output; ///< of the first run
    double seconds = 0;     ///< of the second run
    /// What the kernel did wrong besides its values, one sentence each: elements it left unwritten, results that differ
    /// between two runs on the same inputs, writes before or behind the output, inputs that it changed.
    std::vector<std::string> faults;
};

/// Runs `kernel` twice, into outputs filled with two different patterns. Throws what the kernel throws.
[[nodiscard]] GuardedRun run_guarded(const Kernel &kernel, std::vector<ops::HostTensor> &inputs,
                                     const ops::Shape &shape);

} // namespace halfscope::kernels
