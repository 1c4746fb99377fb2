// A text file as bytes, for language models.
#pragma once

#include "emulation/data/dataset.h"

#include <filesystem>
#include <memory>

namespace halfscope::data {

/// Sample i is the window of `seq` bytes from i * seq; the target is the same window shifted by one. The last tenth of
/// the windows is held out when there are at least 20. A model with fewer than 256 tokens gets the file's distinct
/// bytes renumbered in ascending order, if they are few enough. Throws as open_dataset does.
[[nodiscard]] std::unique_ptr<Dataset> open_text(const std::filesystem::path &file, const Demand &demand);

} // namespace halfscope::data
