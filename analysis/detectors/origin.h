// Where inf and NaN first appear in a run: later ones are mostly consequences.
#pragma once

#include "analysis/statistics/tensor_history.h"
#include "trace/io/reader.h"

#include <cstdint>

namespace halfscope::analysis {

/// A tensor that holds inf or NaN where the fp32 twin's does not (a mask's -inf is in both and is not one).
struct NonFinite {
    const TensorHistory *tensor = nullptr; ///< null: none
    std::int64_t step = -1;
    std::uint8_t events = 0;             ///< RangeEvent bits the twin does not share
    const trace::Event *event = nullptr; ///< the trace's own record of this tensor and step, when there is one
    bool step_skipped = false;           ///< the optimizer skipped this step

    explicit operator bool() const { return tensor != nullptr; }
    [[nodiscard]] bool overflowed() const { return (events & overflow_event) != 0; }
};

struct NonFiniteOrigins {
    NonFinite forward;          ///< first by step, then by execution order, among forward tensors (weights included)
    NonFinite backward;         ///< the same among backward tensors of steps whose forward pass is clean
    NonFinite applied_backward; ///< the same among steps that were not skipped
    /// The same among steps that were skipped at a loss scale of 1 or less: no smaller scale would have cured them.
    NonFinite unscaled_backward;
    NonFinite optimizer; ///< the same among optimizer state, updates and updated weights of steps otherwise clean
    std::int64_t forward_steps = 0;  ///< traced steps with a forward non-finite
    std::int64_t backward_steps = 0; ///< traced steps with a backward non-finite and a clean forward pass
    std::int64_t traced_steps = 0;
};

/// `twin` may be null: then every inf and NaN counts.
[[nodiscard]] NonFiniteOrigins find_origins(const trace::StoredRun &run, const RunRanges &ranges,
                                            const RunRanges *twin);

/// Events of `tensor` at `step` that the twin's tensor of the same name does not share.
[[nodiscard]] std::uint8_t own_events(const TensorHistory &tensor, const RunRanges *twin, std::int64_t step);

} // namespace halfscope::analysis
