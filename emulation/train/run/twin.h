// The fp32 step beside a recipe's: same weights, state, running statistics and batch, everything in fp32.
#pragma once

#include "emulation/train/run/optimizer.h"
#include "emulation/train/run/tensor_values.h"

#include "trace/schema/records.h"

#include <span>
#include <vector>

namespace halfscope::train {

using Batch = std::vector<ops::HostTensor>; ///< parallel to Graph::inputs

class Twin {
  public:
    /// `forward` has its loss and is not differentiated.
    Twin(const model::Graph &forward, const TrainingSettings &settings, ops::Backend &backend);
    Twin(const Twin &) = delete;
    Twin &operator=(const Twin &) = delete;

    /// Puts the recipe's weights, state and running statistics into the twin, to be called before the recipe's step.
    void load(const Optimizer &recipe, std::int64_t count);
    /// The fp32 gradients, unscaled, clipped as the settings say, and the fp32 update of them.
    /// Returns the mean loss over the batches, of the weights that were loaded.
    double step(std::span<const Batch> batches, double learning_rate, std::int64_t count, std::uint32_t first_key);
    /// Forward and backward only, of one batch, measuring every value.
    void measure(const Batch &batch, std::uint32_t key);
    [[nodiscard]] const Executor &executor() const { return executor_; }

    /// Compares the step just made with the recipe's. `before` are the values the recipe's optimizer held before its
    /// step, parallel to its parameters.
    [[nodiscard]] std::vector<trace::Fidelity>
    compare(const Optimizer &recipe, std::span<const std::vector<double>> before, std::int64_t step) const;

  private:
    TrainingSettings settings_;
    model::Graph graph_;
    Executor executor_;
    Optimizer optimizer_;
    std::vector<std::vector<double>> before_; ///< fp32 values before the update
};

} // namespace halfscope::train
