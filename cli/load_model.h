// From the command line's MODEL, --data and --loss to a graph with a loss and the data it trains on.
#pragma once

#include "cli/profile_options.h"
#include "emulation/data/dataset.h"
#include "emulation/model/graph.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace halfscope::cli {

struct LoadedModel {
    model::Graph graph; ///< loss attached, not differentiated
    std::unique_ptr<data::Dataset> dataset;
    std::string data_name;
    std::vector<std::string> notes;                               ///< what was chosen, in sentences
    std::function<model::Graph(std::uint64_t seed)> reinitialize; ///< zoo models only
};

/// Throws std::invalid_argument or std::runtime_error with one sentence.
[[nodiscard]] LoadedModel load_model(const ProfileOptions &options);

} // namespace halfscope::cli
