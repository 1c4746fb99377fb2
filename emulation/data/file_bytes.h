// Whole files as bytes, with errors that name the file and the reason.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

namespace halfscope::data {

/// Throws std::runtime_error "cannot read FILE: reason".
[[nodiscard]] std::vector<std::byte> read_file(const std::filesystem::path &file);
/// The content of a file that may be gzip-compressed (told by its content, not its name). Throws std::runtime_error.
[[nodiscard]] std::vector<std::byte> read_file_or_gzip(const std::filesystem::path &file);
/// Throws std::runtime_error "cannot write FILE: reason".
void write_file(const std::filesystem::path &file, std::span<const std::byte> bytes);

} // namespace halfscope::data
