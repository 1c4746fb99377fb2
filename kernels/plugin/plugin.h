// Kernels of a user's shared library, through the C interface of halfscope_kernel.h.
#pragma once

#include "kernels/registry/kernel.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::kernels {

/// Loads the library and asks for its kernels. They are judged beside `model` when it is given, else beside the model
/// that each names, else beside HalfScope's own definition of the operation. The library stays
/// loaded until the program ends. Throws std::runtime_error with one sentence naming the file: it can not be loaded,
/// the function is missing, another ABI, a description that does not make sense.
///
/// A signal that the library raises (a wild pointer, a division by zero) ends the program with one sentence and exit
/// code 2.
[[nodiscard]] std::vector<Kernel> load_plugin(const std::filesystem::path &file,
                                              const std::optional<std::string> &model);

} // namespace halfscope::kernels
