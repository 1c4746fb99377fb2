// Opening a trace to read it, whatever state its producer left it in. Private to trace/io.
#pragma once

#include "trace/io/database.h"

#include <filesystem>
#include <optional>

namespace halfscope::trace {

/// An open trace.db and one read transaction on it: all reads see the same finished steps, even while the producer goes
/// on writing. Throws std::runtime_error with one sentence when the file is missing, not a trace, cut short, or of
/// another schema version.
///
/// The producer may have been killed, so the journal (trace.db-wal) may hold most of the steps. SQLite replays it in
/// place where it can; where the directory does not let it (read-only, no -shm file), a private copy is replayed.
class StoredFile {
  public:
    explicit StoredFile(const std::filesystem::path &directory);
    ~StoredFile();
    StoredFile(const StoredFile &) = delete;
    StoredFile &operator=(const StoredFile &) = delete;

    [[nodiscard]] Database &database() { return *database_; }

  private:
    void open();
    void check();

    std::filesystem::path file_;
    std::filesystem::path copy_; ///< directory of the private copy; empty when there is none
    std::optional<Database> database_;
};

} // namespace halfscope::trace
