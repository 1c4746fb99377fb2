// The text of trace/schema/schema.sql, compiled in.
#pragma once

#include <cstdint>

namespace halfscope::trace {

extern const char *const schema_sql;

/// What schema.sql stores in the file's header; the reader checks both before it believes a file.
inline constexpr std::int64_t schema_application_id = 0x48535452; // "HSTR"
inline constexpr std::int64_t schema_version = 2;

/// The file's name in the directory of a run.
inline constexpr const char *trace_file_name = "trace.db";

} // namespace halfscope::trace
