// NumPy's .npz: a zip of .npy members, stored or deflated, with zip64 where NumPy writes it.
// Format: PKWARE APPNOTE.TXT 6.3.x, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14-16 (end records).
#pragma once

#include "emulation/data/array.h"

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>

namespace halfscope::data {

/// Arrays by name (member names without ".npy"). Checks sizes and CRCs. Throws std::runtime_error with one sentence
/// naming the file, and the member where one is at fault.
[[nodiscard]] std::map<std::string, Array> parse_npz(std::span<const std::byte> bytes, const std::string &where);
[[nodiscard]] std::map<std::string, Array> read_npz(const std::filesystem::path &file);

/// Writes tensors uncompressed, as numpy.savez does. Throws std::runtime_error naming the file.
void write_npz(const std::filesystem::path &file, std::span<const std::pair<std::string, ops::TensorView>> tensors);

} // namespace halfscope::data
