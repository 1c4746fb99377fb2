// Short marks of long contents, to tell by accident changed input from the same input.
#pragma once

#include "emulation/data/dataset.h"
#include "emulation/model/graph.h"

#include <filesystem>
#include <string>

namespace halfscope::cli {

/// 16 hexadecimal digits (FNV-1a, 64 bits; it guards against mistakes, not against malice) of: names, shapes and
/// initial contents of weights, buffers and constants, and the operations' kinds.
[[nodiscard]] std::string fingerprint_of(const model::Graph &graph);
/// Of the description and of sixteen batches spread over each part.
[[nodiscard]] std::string fingerprint_of(const data::Dataset &dataset, std::int64_t batch);
/// Of a file's bytes; empty when it is no plain file. Throws std::runtime_error when it cannot be read.
[[nodiscard]] std::string fingerprint_of_file(const std::filesystem::path &file);

} // namespace halfscope::cli
