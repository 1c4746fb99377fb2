// From a trace to an assessment: the one entry point of the analysis.
#pragma once

#include "analysis/verdict/assessment.h"
#include "trace/io/reader.h"

namespace halfscope::analysis {

/// Reads the whole trace, complete or cut short, and judges every recipe in it against the fp32 twin. Throws what the
/// reader throws (std::runtime_error, one sentence) when the file turns out damaged.
[[nodiscard]] Assessment assess(const trace::Reader &reader);

/// The recipes of `reader` against the fp32 runs of another trace, made of the same model and data with the same
/// settings: recipes tried one after the other share their twin.
[[nodiscard]] Assessment assess(const trace::Reader &reader, const trace::Reader &fp32);

} // namespace halfscope::analysis
