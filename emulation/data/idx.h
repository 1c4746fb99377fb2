// IDX: the files of MNIST and Fashion-MNIST. Format: the description on the MNIST page (two zero bytes, element type,
// number of axes, big-endian sizes, big-endian data).
#pragma once

#include "emulation/data/array.h"
#include "emulation/data/dataset.h"

#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace halfscope::data {

/// Throws std::runtime_error with one sentence naming `where`.
[[nodiscard]] Array parse_idx(std::span<const std::byte> bytes, const std::string &where);

/// Whether a directory holds train-images-idx3-ubyte (also with '.' for the first '-' of "-idx", also .gz).
[[nodiscard]] bool is_idx_directory(const std::filesystem::path &directory);

/// train-* are the training samples, t10k-* (where there are any) the held-out ones. Images are normalised to zero mean
/// and unit deviation over all training pixels; the figures are in the description. An input of more pixels gets the
/// image centred on background, one of more channels gets it repeated.
[[nodiscard]] std::unique_ptr<Dataset> open_idx_directory(const std::filesystem::path &directory, const Demand &demand);

} // namespace halfscope::data
