// Tensors that users bring and take as .npy files, in formats that NumPy has and in those that it has not.
#pragma once

#include "emulation/number/format.h"
#include "emulation/ops/tensor.h"

#include <string>

namespace halfscope::cli {

/// How the help describes what is read.
inline constexpr const char *operand_files_help =
    "fp16: float16; bf16: uint16 bit patterns; fp32 and tf32: float32. A wider type is taken when every value is "
    "exactly representable.";

/// fp16, bf16, fp32 or tf32 of a name; std::invalid_argument naming the flag and the nearest name otherwise.
[[nodiscard]] number::FormatId format_named(const std::string &name, const std::string &flag);

/// Reads `file` as values of a format: float16 for fp16, uint16 bit patterns for bf16 (and fp16), float32 for fp32 and
/// tf32 (of which a unit reads the upper 19 bits), or a wider floating type whose values are all exactly
/// representable. Throws std::runtime_error or std::invalid_argument with one sentence that names flag and file, and
/// the first value that does not fit.
[[nodiscard]] ops::HostTensor read_operand(const std::string &file, number::FormatId format, const std::string &flag);

/// Reads results in the type they have: float32, float16, or uint16 bit patterns of bf16.
[[nodiscard]] ops::HostTensor read_results(const std::string &file, const std::string &flag);

/// Writes fp32 as float32, fp16 as float16, bf16 as uint16 bit patterns.
void write_results(const std::string &file, const ops::HostTensor &tensor);

} // namespace halfscope::cli
