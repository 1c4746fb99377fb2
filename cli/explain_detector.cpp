#include "cli/explain_detector.h"

#include "analysis/detectors/detector.h"
#include "cli/command.h"
#include "cli/nearest_name.h"

#include <fmt/format.h>

#include <stdexcept>

namespace halfscope::cli {

int explain_detector(const std::string &id) {
    const analysis::DetectorInfo *info = analysis::find_detector(id);
    if (!info) {
        std::vector<std::string> names;
        for (const analysis::Detector &detector : analysis::detectors()) names.emplace_back(detector.info.id);
        throw std::invalid_argument(
            fmt::format("'{}' is neither a number nor a detector; the nearest detector is '{}' (all: {})", id,
                        nearest_name(id, names), fmt::join(names, ", ")));
    }
    fmt::print("{}: {}\n\n", info->id, info->title);
    fmt::print("What it looks for\n  {}\n\n", info->looks_for);
    fmt::print("Threshold, and why\n  {}\n\n", info->threshold);
    fmt::print("A worked example\n  {}\n\n", info->example);
    fmt::print("Remedy\n  {}\n", info->remedy);
    return done;
}

} // namespace halfscope::cli
