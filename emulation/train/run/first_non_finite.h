// Finds the operation that made the first infinity or NaN of a step.
#pragma once

#include "emulation/train/execution/executor.h"

#include <optional>
#include <string>

namespace halfscope::train {

struct NonFiniteSource {
    model::NodeId node = model::none;
    model::ValueId value = model::none; ///< the output that is not finite
    double input_amax = 0;              ///< largest finite |operand|
    double limit = 0;                   ///< largest finite value of the output's format
    std::string detail;                 ///< operands' names and magnitudes
};

struct NonFiniteSources {
    std::optional<NonFiniteSource> infinity; ///< first node that made an infinity of operands without one
    std::optional<NonFiniteSource> nan;      ///< first node that made a NaN of operands without one
};

/// Reads the statistics of a run with Measure::all. Infinities and NaNs that are meant are passed over: those of inputs
/// and constants, those made of constants alone (a mask of -1e9 stored in fp16), and those that the value of the same
/// name also has in `twin`, the fp32 graph run with Measure::all on the same weights and batch (null: not compared).
[[nodiscard]] NonFiniteSources find_non_finite_source(const Executor &executor, const Executor *twin);

/// Whether the stored value held an infinity or a NaN in the last measured run.
[[nodiscard]] bool held_non_finite(const Executor &executor, model::ValueId value);

/// 65504 for fp16.
[[nodiscard]] double largest_finite(ops::DType dtype);

} // namespace halfscope::train
