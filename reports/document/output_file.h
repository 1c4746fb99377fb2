// Writes a finished document to disk.
#pragma once

#include <filesystem>
#include <string_view>

namespace halfscope::reports {

/// Replaces `file` by `text` in one move, so that a reader sees the old document or the new one, never half of one.
/// A path that is not a plain file ("/dev/stdout", a pipe) is written directly. Throws std::runtime_error with one
/// sentence naming the file and the reason.
void write_output_file(const std::filesystem::path &file, std::string_view text);

} // namespace halfscope::reports
