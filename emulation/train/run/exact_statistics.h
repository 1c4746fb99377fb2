// Running statistics as they would be had they been kept wide: beside those a run keeps in 16 bits.
#pragma once

#include "emulation/train/execution/executor.h"

#include "trace/schema/records.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace halfscope::train {

/// One batch norm's.
struct ExactStatistics {
    model::NodeId node = model::none;
    model::ValueId mean = model::none, variance = model::none; ///< the buffers
    std::vector<double> exact_mean, exact_variance;            ///< one a channel
};

/// Follows every batch norm whose running statistics are stored in 16 bits with the means and variances of the same
/// batches, added up in double: m = (1 - momentum) m + momentum * batch mean, and the same of the unbiased variance.
class ExactRunningStatistics {
  public:
    /// Of a lowered, differentiated graph; none when nothing is watched.
    ExactRunningStatistics(const model::Graph &graph, const Executor &executor, bool watched);

    /// Values that the executor must be asked for so that add() can read them; none unless `watched`.
    [[nodiscard]] static std::vector<model::ValueId> wanted(const model::Graph &graph, bool watched);

    /// After a run of one batch.
    void add(const Executor &executor);
    [[nodiscard]] const std::vector<ExactStatistics> &norms() const { return norms_; }
    /// Two per batch norm, mean and variance, step left; after the executor's buffers were committed.
    [[nodiscard]] std::vector<trace::Drift> drifts(const Executor &executor) const;

  private:
    std::vector<ExactStatistics> norms_;
    std::vector<std::pair<std::vector<double>, std::vector<double>>> starts_; ///< mean, variance, parallel to norms_
    std::int64_t batches_ = 0;
};

} // namespace halfscope::train
