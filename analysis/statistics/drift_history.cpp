#include "analysis/statistics/drift_history.h"

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

std::vector<DriftHistory> drifts_of(const trace::StoredRun &run, std::string_view kind) {
    std::vector<DriftHistory> all;
    for (const trace::Drift &drift : run.drifts) {
        if (drift.kind != kind || !std::isfinite(drift.retained) || !std::isfinite(drift.distance)) continue;
        auto at = std::find_if(all.begin(), all.end(), [&](const DriftHistory &h) { return h.name == drift.name; });
        if (at == all.end()) at = all.insert(all.end(), {drift.name, drift.layer, drift.format, {}, 0, 0, 0});
        at->samples.push_back(&drift);
    }
    for (DriftHistory &history : all) {
        const std::size_t first = history.samples.size() / 2;
        const auto count = static_cast<double>(history.samples.size() - first);
        for (std::size_t i = first; i < history.samples.size(); ++i) {
            history.late_retained += history.samples[i]->retained / count;
            history.late_distance += history.samples[i]->distance / count;
            history.late_stuck += history.samples[i]->stuck / count;
        }
    }
    return all;
}

} // namespace halfscope::analysis
