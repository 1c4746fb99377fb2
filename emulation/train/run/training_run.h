// One run of one recipe: forward, backward, unscale and check, clip, optimizer, loss scale.
#pragma once

#include "emulation/train/loss_scaler.h"
#include "emulation/train/run/exact_statistics.h"
#include "emulation/train/run/first_non_finite.h"
#include "emulation/train/run/optimizer.h"
#include "emulation/train/run/twin.h"
#include "emulation/train/run/weight_average.h"

#include "trace/schema/records.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace halfscope::train {

/// What one step leaves for the trace.
struct StepRecord {
    trace::Step step;
    std::vector<trace::TensorStep> tensors;
    std::vector<trace::Fidelity> fidelity;
    std::vector<trace::Event> events;
    std::vector<trace::Drift> drifts; ///< in steps that sample the fidelity, and the last; only beside a twin
};

class TrainingRun {
  public:
    /// `forward` has its loss and is not differentiated. `twin`, which may be null, gives update fidelity and tells
    /// meant infinities from accidents; it must be of the same forward graph and settings. Throws as lower(),
    /// differentiate() and trained_weights() do.
    TrainingRun(const model::Graph &forward, const Recipe &recipe, const LossScaleRule &rule,
                const TrainingSettings &settings, ops::Backend &backend, Twin *twin);
    TrainingRun(const TrainingRun &) = delete;
    TrainingRun &operator=(const TrainingRun &) = delete;

    /// The traced tensors in order of execution; the optimizer's come last.
    [[nodiscard]] const std::vector<trace::TensorInfo> &tensors() const { return tensors_; }

    /// One step on settings.batches_per_step() batches, rank by rank. Tracing and fidelity do not change the run.
    [[nodiscard]] StepRecord step(std::span<const Batch> batches, bool traced, bool fidelity);
    /// Why the run must not go on (DeepSpeed at its smallest scale); empty: it may.
    [[nodiscard]] const std::string &stop_reason() const { return scaler_.stop_reason(); }

    /// Everything the steps to come depend on, between two steps: restored into a run made of the same arguments, it
    /// goes on bit for bit as this one would. The bytes are this machine's, for this version of the program.
    [[nodiscard]] std::vector<std::byte> checkpoint() const;
    /// Throws std::invalid_argument with one sentence when the bytes are not of such a run.
    void restore(std::span<const std::byte> checkpoint);

    [[nodiscard]] const model::Graph &graph() const { return graph_; }
    [[nodiscard]] Executor &executor() { return executor_; }
    [[nodiscard]] Optimizer &optimizer() { return optimizer_; }
    [[nodiscard]] const std::optional<WeightAverage> &average() const { return average_; }
    [[nodiscard]] const ExactRunningStatistics &exact_statistics() const { return exact_statistics_; }
    /// The lowered forward graph, from which evaluation is made.
    [[nodiscard]] const model::Graph &lowered() const { return lowered_; }

  private:
    void list_tensors();
    void load_batch(const Batch &batch);
    [[nodiscard]] float seed_of(double scale) const;
    [[nodiscard]] std::uint32_t key(std::size_t micro) const;
    void gather_graph(StepRecord &record) const;
    void gather_drifts(StepRecord &record) const;
    void gather_sums(StepRecord &record, bool traced) const;
    void gather_optimizer(StepRecord &record) const;
    /// Replays the step from the weights it started with; called before the update.
    void explain(std::span<const Batch> batches, StepRecord &record);
    /// The first sum of gradients that is not finite, when every gradient is.
    void report_sum(StepRecord &record) const;
    void report(const NonFiniteSource &source, const char *kind, const Batch &batch, std::size_t micro,
                StepRecord &record);

    Recipe recipe_;
    TrainingSettings settings_;
    LossScaler scaler_;
    Twin *twin_;
    model::Graph lowered_, graph_;
    Executor executor_;
    Optimizer optimizer_;
    std::optional<WeightAverage> average_; ///< where the settings ask for one
    ExactRunningStatistics exact_statistics_;
    std::vector<trace::TensorInfo> tensors_;
    std::vector<trace::TensorId> tensor_of_value_; ///< per value of graph_, -1 when it is not traced
    trace::TensorId first_sum_tensor_ = 0, first_optimizer_tensor_ = 0;
    std::int64_t step_ = 0, updates_ = 0, non_finite_steps_ = 0;
};

} // namespace halfscope::train
