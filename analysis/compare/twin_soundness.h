// Whether the fp32 twin trained at all. A recipe cannot be blamed for what happens in fp32 as well.
#pragma once

#include "trace/io/reader.h"

#include <cstddef>
#include <span>
#include <string>

namespace halfscope::analysis {

struct TwinSoundness {
    bool present = false;
    bool diverged = false; ///< not finite, or ends higher than it began
    /// The loss fell by more than three standard errors of the difference between its first and last window, or the
    /// straight line through all of it falls by more than four of its own.
    bool learns = false;
    double initial = 0, final = 0, progress = 0;
    double progress_noise = 0; ///< standard error of `progress`
    std::string problem;       ///< one sentence when it diverged or does not learn
};

/// `losses`: the twin's, in step order.
[[nodiscard]] TwinSoundness judge_twin(std::span<const double> losses);

} // namespace halfscope::analysis
