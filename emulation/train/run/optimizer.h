// Masters, optimizer state and unscaled gradients of one run, in the recipe's formats.
#pragma once

#include "emulation/train/execution/executor.h"
#include "emulation/train/recipe/recipe.h"
#include "emulation/train/run/gradient_sum.h"
#include "emulation/train/training_settings.h"

#include <optional>
#include <string>
#include <vector>

namespace halfscope::train {

/// A tensor of the optimizer and, after a measured step, its statistics.
struct StateTensor {
    ops::TensorView view;
    DeviceMemory memory;
    number::RangeStatistics statistics;
};

/// One trained weight.
struct Parameter {
    model::ValueId weight = model::none;
    std::string name, layer;
    ops::TensorView stored;    ///< the weight the model computes with
    ops::TensorView value;     ///< what the optimizer updates: the master, or `stored` itself
    ops::TensorView raw;       ///< the gradient as the graph leaves it, scaled
    ops::TensorView gradient;  ///< unscaled; may be `raw`'s memory
    StateTensor first, second; ///< momentum or m; v
    StateTensor compensation;  ///< Kahan
    StateTensor update;        ///< fp32: value after minus value before, when measured
    DeviceMemory master_memory, gradient_memory;
    std::optional<GradientSum> sum;            ///< of micro-batches' and ranks' gradients
    number::RangeStatistics stored_statistics; ///< of rounding to `stored`
    bool stored_measured = false;              ///< whether a step leaves stored_statistics
    /// The step's gradient before unscaling.
    [[nodiscard]] const ops::TensorView &scaled() const { return sum ? sum->result() : raw; }
    [[nodiscard]] bool has_master() const { return value.data != stored.data; }
};

class Optimizer {
  public:
    /// `executor` runs a lowered, differentiated graph whose weight gradients are wanted. Masters start as the stored
    /// weights, widened, as apex and Megatron make them.
    Optimizer(Executor &executor, const Recipe &recipe, const TrainingSettings &settings);

    [[nodiscard]] std::vector<Parameter> &parameters() { return parameters_; }
    [[nodiscard]] const std::vector<Parameter> &parameters() const { return parameters_; }

    /// Adds the graph's gradients, of the step's batch `index`, to the sums: see GradientSum::add.
    void accumulate(std::size_t index, bool exactly, bool measured);
    /// Multiplies every gradient by float(1 / scale); returns whether any was inf or NaN before that.
    bool unscale(double scale);
    /// L2 norm of all gradients. Norms are rounded to the gradients' format, as torch.nn.utils.clip_grad_norm_ leaves
    /// them: beyond 65504 an fp16 norm is inf.
    [[nodiscard]] double norm(bool of_scaled);
    /// Multiplies every gradient by `factor` in its own format; 1 does nothing.
    void multiply(double factor, bool scaled);
    /// One step of every parameter. `measured` also fills statistics and Parameter::update. `count` is 1 on the first
    /// step really taken; the recipe's step counter may have stopped before it.
    void apply(double learning_rate, std::int64_t count, std::uint32_t step, bool measured);

    /// Takes over values, state and running statistics of another run's optimizer and executor on the same forward
    /// graph. For an optimizer of fp32 weights, which are their own masters: everything is widened exactly.
    void load(const Optimizer &other, std::int64_t count);

  private:
    [[nodiscard]] StateTensor make_state(const ops::Shape &shape, ops::DType dtype);
    void copy(const ops::TensorView &from, const ops::TensorView &to, number::RangeStatistics *statistics = nullptr);
    void apply_one(Parameter &parameter, ops::Operation &operation, std::uint32_t step, bool measured);

    Executor &executor_;
    ops::Backend &backend_;
    OptimizerSettings settings_;
    UpdateRounding rounding_;
    ops::DType step_counter_;
    bool flush_;
    std::uint64_t seed_;
    std::vector<Parameter> parameters_;
    DeviceMemory scalars_; ///< inverse scale, the found flag, then norms
    DeviceMemory before_;  ///< a parameter's value before its step, when measured
};

/// What a counter kept in this format has become after `steps` additions of 1, each rounded to nearest even: whole
/// numbers are exact up to 2^precision, and from there 1 is half the spacing and lost.
[[nodiscard]] std::int64_t counted(std::int64_t steps, ops::DType format);

/// clip_grad_norm_'s factor: min(1, limit / (norm + 1e-6)).
[[nodiscard]] double clip_factor(double norm, double limit);

} // namespace halfscope::train
