// Keeps the runs of a sweep in one SQLite file, so that a sweep that is killed goes on where it was.
#pragma once

#include "trace/schema/sweep.h"

#include <filesystem>
#include <memory>

namespace halfscope::trace {

/// The file's name in the directory of a sweep.
inline constexpr const char *sweep_file_name = "converge.db";

/// Safe to call from several threads.
class SweepStore {
  public:
    /// Opens `directory`/converge.db, or makes both. Throws std::runtime_error with one sentence, and changes nothing,
    /// when the file is of another identity (the first setting that differs is named), no sweep at all, in use by
    /// another program, or when the directory holds a profile's trace.
    SweepStore(const std::filesystem::path &directory, const SweepIdentity &identity);
    ~SweepStore();
    SweepStore(const SweepStore &) = delete;
    SweepStore &operator=(const SweepStore &) = delete;

    /// The run, when it was finished.
    [[nodiscard]] std::optional<SweepRun> finished(const SweepKey &key);
    /// The run's last checkpoint, when it was cut short after one.
    [[nodiscard]] std::optional<SweepCheckpoint> checkpoint(const SweepKey &key);

    /// One transaction each: all or nothing survives a kill. Either replaces what there was of the run.
    void save(const SweepRun &finished);
    void save(const SweepCheckpoint &checkpoint);

  private:
    struct Implementation;
    std::unique_ptr<Implementation> implementation_;
};

} // namespace halfscope::trace
