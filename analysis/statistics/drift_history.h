// What a run keeps adding to in 16 bits, beside the same additions kept wider, over the sampled steps.
#pragma once

#include "trace/io/reader.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::analysis {

/// All samples of one kept value that is traced as trace::Drift.
struct DriftHistory {
    std::string name, layer, format;
    std::vector<const trace::Drift *> samples; ///< ascending steps; those that are not finite are left out
    double late_retained = 0, late_distance = 0, late_stuck = 0; ///< means over the samples of the second half
    [[nodiscard]] const trace::Drift &last() const { return *samples.back(); }
};

/// Of one kind, by name in order of appearance; without names of which no sample is finite. `run` must outlive it.
[[nodiscard]] std::vector<DriftHistory> drifts_of(const trace::StoredRun &run, std::string_view kind);

} // namespace halfscope::analysis
