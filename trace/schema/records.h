// THE CONTRACT between whoever produces a trace and whoever judges it: the meaning and unit of every field.
// trace/io writes these records to SQLite and reads them back; trace/schema/schema.sql is the same contract in SQL.
#pragma once

#include "emulation/number/range_statistics.h"

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::trace {

using RunId = std::int64_t;
using TensorId = std::int64_t; ///< unique within a run

/// Facts about the whole trace: what was asked for and where it ran.
struct Session {
    std::string schema = "halfscope.trace/2";
    std::string halfscope_version;
    std::string model;                              ///< as given on the command line
    std::string model_name;                         ///< graph name
    std::string data;                               ///< data set as given, or what stood in for it
    std::string command;                            ///< the exact command line
    std::int64_t parameters = 0;                    ///< trained elements
    std::map<std::string, std::string> environment; ///< cpu, simd, threads, compiler, os, ...
    std::map<std::string, std::string>
        settings; ///< optimizer, lr, batch, steps, seed, loss, ...: every setting with its effective value
    std::vector<std::string>
        notes; ///< what the user should know about choices made for them (buffers guessed, ties found, MODEL alone)
};

/// What one training step holds and multiplies, counted from the graph: what a recipe gains. Bytes of storage as the
/// recipe states it, for one (micro-)batch.
struct StepCost {
    std::int64_t weight_bytes = 0;        ///< weights the model computes with, and their casts, kept for the whole step
    std::int64_t master_bytes = 0;        ///< fp32 copies that receive the updates
    std::int64_t gradient_bytes = 0;      ///< weight gradients, as the optimizer reads them
    std::int64_t state_bytes = 0;         ///< momentum, m, v, compensation, the average of the weights
    std::int64_t activation_bytes = 0;    ///< inputs and forward results that the backward pass reads again
    std::int64_t multiply_adds = 0;       ///< of matrix products and convolutions, forward and backward
    std::int64_t multiply_adds_16bit = 0; ///< those whose operands are both 16-bit: what matrix units speed up
    [[nodiscard]] std::int64_t bytes() const {
        return weight_bytes + master_bytes + gradient_bytes + state_bytes + activation_bytes;
    }
};

/// One training run of one recipe. The fp32 reference ("twin") and its siblings are runs too.
struct Run {
    enum class Kind : std::uint8_t {
        reference, ///< the fp32 twin: same seed, same data order as the recipes
        sibling,   ///< fp32 with another seed: shows the spread that has nothing to do with precision
        recipe,
    } kind = Kind::recipe;
    RunId id = 0;
    std::string recipe;          ///< "fp32", "fp16-amp", ...
    std::string compute_format;  ///< "fp16", "bf16", "fp32": the 16-bit format of the recipe's matrix products
    std::string weight_format;   ///< storage of the weights the model computes with
    bool master_weights = true;  ///< an fp32 copy receives the updates
    std::string optimizer;       ///< "sgd", "adam", "adamw"
    std::string state_format;    ///< storage of the optimizer state
    std::string loss_scale_rule; ///< "none", "static:1024", "torch:init=65536,..."
    std::uint64_t seed = 0;
    std::int64_t planned_steps = 0;
    std::string description;      ///< one sentence for people
    std::optional<StepCost> cost; ///< absent where the producer does not know its graph
};

/// One traced tensor of a run.
struct TensorInfo {
    TensorId id = 0;
    /// Unique in the run. Optimizer state is named after its weight: "<weight>.momentum", "<weight>.m", "<weight>.v",
    /// "<weight>.compensation" (a recorder may use PyTorch's ".momentum_buffer", ".exp_avg", ".exp_avg_sq").
    std::string name;
    std::string layer; ///< the user's layer name
    std::string role;  ///< "activation", "weight", "gradient", "weight_gradient", "optimizer_state", "loss", "update"
    std::string operation; ///< the operation that made it: "matmul", "layer_norm", ...
    std::string policy;    ///< the PyTorch name of the forward operation: "linear", "conv2d", ...
    std::string format;    ///< storage format: "fp16", ...
    std::vector<std::int64_t> shape;
    std::int64_t order = 0; ///< execution order within the step; the optimizer comes last
    bool backward = false;
    bool scaled = false; ///< values carry the loss scale (gradients before unscaling)
};

/// One training step. A record is written when the step is complete.
struct Step {
    std::int64_t step = 0;       ///< 0-based
    double loss = 0;             ///< unscaled loss as the recipe computed it (may be inf or nan)
    double loss_scale = 1;       ///< scale used in this step
    double loss_scale_after = 1; ///< scale after the scaler's update
    bool skipped = false;        ///< optimizer step skipped because a gradient was not finite
    double gradient_norm = 0;    ///< L2 norm of the unscaled gradients before clipping; nan when not computed
    double learning_rate = 0;
    double seconds = 0; ///< wall time of the step
    /// The loss of the same batch and of the weights that hold the state (the masters where there are masters),
    /// computed in fp32; nan where it was not (it is a by-product of sampling the update fidelity). Free of what the
    /// recipe's own forward pass rounds, it shows what the weights are worth.
    double loss_in_fp32 = std::numeric_limits<double>::quiet_NaN();
};

/// Statistics of one tensor in one traced step.
struct TensorStep {
    std::int64_t step = 0;
    TensorId tensor = 0;
    number::RangeStatistics statistics;
};

/// Update fidelity of one weight at one sampled step: from the recipe's own weights, state and batch, the update fp32
/// arithmetic would make (u32) beside the one the recipe made (u, the difference of the weights that hold the state:
/// the masters where there are masters).
struct Fidelity {
    std::int64_t step = 0;
    std::string layer;
    std::string weight; ///< weight's name
    std::int64_t elements = 0;
    double cosine = 0;          ///< u . u32 / (|u| |u32|); nan when either is zero
    double norm_ratio = 0;      ///< |u| / |u32|; nan when |u32| is zero
    double moved = 0;           ///< share of elements with u32 != 0 that moved (u != 0)
    double reference_moved = 0; ///< share of elements with u32 != 0
    double gradient_cosine = 0; ///< the same for the unscaled gradients
    double gradient_norm_ratio = 0;
    double gradient_lost = 0; ///< share of elements non-zero in the fp32 gradient that are zero in the recipe's
    double update_dot = 0, update_squares = 0, reference_squares = 0; ///< sums, so that layers can be pooled
};

/// What a recipe keeps adding to in a format of its own, beside the same additions of the same terms in fp32 or wider:
/// whatever is lost was lost in the adding, neither in the terms nor upstream.
struct Drift {
    std::int64_t step = 0;
    std::string kind;          ///< "gradient_sum", "average", "running_statistics", "step_counter"
    std::string name;          ///< of the weight, or of the buffer; "" for the step counter
    std::string layer;         ///< the user's layer name
    std::string format;        ///< the narrowest it is kept in: "bf16", ...
    std::int64_t terms = 0;    ///< added so far: micro-batches of the step over all ranks, or steps
    std::int64_t elements = 0; ///< compared
    /// With k what was kept and x what the exact sum is, both less what they began with: k . x / |x|^2; nan when x is
    /// zero or either is not finite.
    double retained = 0;
    /// |k - x| / |x|. For running statistics, whose harm is relative to other figures, the root mean square over the
    /// channels of (mean kept - exact mean) / exact deviation, or of (variance kept / exact variance - 1).
    double distance = 0;
    double stuck = 0; ///< share of the elements with x != 0 whose k is 0
};

/// The first operation of a run that turned finite operands into inf or NaN, and other one-off facts.
struct Event {
    std::int64_t step = 0;
    std::string kind; ///< "first_inf", "first_nan", "loss_not_finite", "replay" ...
    TensorId tensor = -1;
    std::string layer;
    std::string operation;
    bool backward = false;
    double input_amax = 0;        ///< largest finite |operand|
    double limit = 0;             ///< largest finite value of the format it was stored in
    bool scale_dependent = false; ///< replayed with the scale divided by 1024 (forward: never), it did not occur
    std::string detail;           ///< operands' names and magnitudes in words
};

/// Summary of evaluation on held-out data, where there is any.
struct Evaluation {
    std::int64_t step = 0;
    /// "accuracy", "loss": of the finished model. "averaged_loss", "averaged_accuracy": of the average of its weights,
    /// where one is kept. "exact_loss", "exact_averaged_loss": what the same run would give had it kept its running
    /// statistics and its average in fp32; absent where it did.
    std::string metric;
    double value = 0;
};

} // namespace halfscope::trace
