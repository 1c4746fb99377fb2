// Reads a trace, complete or cut short.
#pragma once

#include "trace/schema/records.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

namespace halfscope::trace {

struct StoredRun {
    Run run;
    bool complete = false;
    std::vector<TensorInfo> tensors;
    std::vector<Step> steps; ///< ascending
    std::vector<Fidelity> fidelity;
    std::vector<Drift> drifts;
    std::vector<Event> events;
    std::vector<Evaluation> evaluations;
};

class Reader {
  public:
    /// Opens directory/trace.db read-only. Throws std::runtime_error with one sentence when it is missing, is not a
    /// trace, or is of another schema version.
    explicit Reader(const std::filesystem::path &directory);
    ~Reader();
    Reader(const Reader &) = delete;
    Reader &operator=(const Reader &) = delete;

    [[nodiscard]] Session session() const;
    [[nodiscard]] std::vector<StoredRun> runs() const;
    /// Every tensor record of a run, ordered by tensor then step.
    void for_each_tensor_step(RunId run, const std::function<void(const TensorStep &)> &visit) const;

  private:
    struct Implementation;
    std::unique_ptr<Implementation> implementation_;
};

} // namespace halfscope::trace
