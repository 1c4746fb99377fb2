// Samples from an .npz: arrays named as the graph's inputs, and `target`.
#pragma once

#include "emulation/data/dataset.h"

#include <filesystem>
#include <memory>

namespace halfscope::data {

/// Every array has samples on its first axis; one that has exactly an input's whole shape and another number of samples
/// is taken as the same for every batch. Arrays named "test_NAME" for every input are the held-out part. Where one
/// input and one array are left over, they belong together. Throws as open_dataset does.
[[nodiscard]] std::unique_ptr<Dataset> open_npz_dataset(const std::filesystem::path &file, const Demand &demand);

} // namespace halfscope::data
