// The lockstep table of a trace: absent where nothing ran in lockstep.
#pragma once

#include "trace/schema/lockstep.h"

#include <filesystem>
#include <span>

namespace halfscope::trace {

/// Adds the table to directory/trace.db, replacing what it held. Throws std::runtime_error with one sentence.
void write_lockstep(const std::filesystem::path &directory, std::span<const Lockstep> records);

/// In the order written; empty where the trace has no such table. Throws std::runtime_error with one sentence when
/// there is no trace.
[[nodiscard]] std::vector<Lockstep> read_lockstep(const std::filesystem::path &directory);

} // namespace halfscope::trace
