// Writes a trace: SQLite in WAL mode, one transaction per step, so that a killed run keeps every finished step.
#pragma once

#include "trace/schema/records.h"

#include <filesystem>
#include <memory>
#include <span>

namespace halfscope::trace {

class Writer {
  public:
    /// Creates `directory` if need be and a fresh trace.db in it (an older one, with its -wal and -shm, is replaced).
    /// Throws std::runtime_error naming the file and the reason.
    explicit Writer(const std::filesystem::path &directory);
    ~Writer();
    Writer(const Writer &) = delete;
    Writer &operator=(const Writer &) = delete;

    void session(const Session &session); ///< may be called again: replaces
    RunId begin_run(const Run &run);      ///< id is assigned
    void tensors(RunId run, std::span<const TensorInfo> tensors);
    /// One transaction: all or nothing survives a kill.
    void step(RunId run, const Step &step, std::span<const TensorStep> tensors, std::span<const Fidelity> fidelity,
              std::span<const Event> events, std::span<const Drift> drifts = {});
    void evaluation(RunId run, const Evaluation &evaluation);
    void end_run(RunId run); ///< marks it complete

  private:
    struct Implementation;
    std::unique_ptr<Implementation> implementation_;
};

} // namespace halfscope::trace
