// NumPy's .npy: read versions 1 to 3, write version 1.
// Format: numpy/lib/format.py ("Format Version 1.0" .. "3.0").
#pragma once

#include "emulation/data/array.h"

#include <filesystem>
#include <span>
#include <string>

namespace halfscope::data {

/// Parses a whole .npy image: dtypes b1, i1 i2 i4 i8, u1 u2 u4, f2 f4 f8 of either byte order, C or Fortran order.
/// `where` names the source in errors. Throws std::runtime_error with one sentence on anything else.
[[nodiscard]] Array parse_npy(std::span<const std::byte> bytes, const std::string &where);
[[nodiscard]] Array read_npy(const std::filesystem::path &file);

/// The .npy image of a tensor in host memory: fp16 as f2, fp32 f4, fp64 f8, int64 i8, boolean b1. NumPy has no bf16:
/// such a tensor is widened exactly to f4.
[[nodiscard]] std::vector<std::byte> npy_image(const ops::TensorView &tensor);
/// The .npy image of an array of any element type.
[[nodiscard]] std::vector<std::byte> npy_image(const Array &array);
/// Throws std::runtime_error naming the file when it cannot be written.
void write_npy(const std::filesystem::path &file, const ops::TensorView &tensor);
void write_npy(const std::filesystem::path &file, const Array &array);

} // namespace halfscope::data
