// A recipe says which values of a training step are stored in which format. It is data: executing it is lower.h (the
// graph) and training_run.h (optimizer and loss scale).
#pragma once

#include "emulation/ops/operation.h"
#include "emulation/ops/tensor.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::train {

enum class Policy : std::uint8_t {
    full,     ///< everything fp32: the twin
    autocast, ///< weights fp32; operations are cast as the lists say (torch.autocast)
    o2,       ///< weights and activations 16-bit; norm layers keep fp32 weights; an attached loss is fp32 (apex O2)
    pure,     ///< everything 16-bit, norms, loss, buffers and constants too (model.half())
};

/// How the optimizer writes a 16-bit weight.
enum class UpdateRounding : std::uint8_t { nearest, stochastic, kahan };

/// Which comes first when ranks' gradients are averaged: adding may overflow, dividing first may underflow.
enum class ReduceOrder : std::uint8_t { sum_first, divide_first };

/// Layers whose name matches `pattern` (ECMAScript, searched) run in `format`; fp32 means: weights stored in fp32 and
/// operands cast to it.
struct LayerOverride {
    std::string pattern;
    ops::DType format = ops::DType::fp32;
    std::string where{}; ///< "run.toml, line 3", for messages; empty: not from a file
};

struct Recipe {
    std::string name;
    std::string description; ///< one sentence for people
    Policy policy = Policy::full;
    ops::DType compute = ops::DType::fp32; ///< the 16-bit format (fp32 for Policy::full)
    std::string autocast_lists = "torch-2-cuda";
    ops::DType weights = ops::DType::fp32; ///< storage of the weights the model computes with
    bool master_weights = true;          ///< an fp32 copy receives the updates (true when weights are fp32 themselves)
    ops::DType state = ops::DType::fp32; ///< storage of momentum, m and v
    /// Storage of .grad, what micro-batches are added up in; and the type in which ranks' gradients travel and are
    /// added up. Both are for weights stored as `weights` says: others (norm layers' under o2) keep their own.
    ops::DType gradients = ops::DType::fp32, all_reduce = ops::DType::fp32;
    ReduceOrder all_reduce_order = ReduceOrder::sum_first;
    ops::DType average = ops::DType::fp32; ///< storage of the weights' moving average, where the settings ask for one
    ops::DType step_counter = ops::DType::fp32;       ///< Adam's t, from which its bias corrections are made
    ops::DType running_statistics = ops::DType::fp32; ///< storage of batch norms' running mean and variance
    ops::Accumulation accumulation = ops::Accumulation::fma_chain; ///< of matrix products with 16-bit operands
    std::string loss_scale = "none";                               ///< the rule used when none is asked for
    UpdateRounding update = UpdateRounding::nearest;
    bool flush_subnormals = false; ///< 16-bit results below the smallest normal become zero
    std::vector<LayerOverride> layers;
};

/// fp32, fp16-amp, bf16-amp, fp16-o2, bf16-o2, fp16-pure, bf16-pure, bf16-pure-sr, bf16-pure-kahan.
[[nodiscard]] std::span<const Recipe> built_in_recipes();

/// By name, in `own` first, then among the built-in ones. Throws std::invalid_argument with the nearest name and all
/// names.
[[nodiscard]] Recipe recipe_named(std::string_view name, std::span<const Recipe> own = {});

/// Throws std::invalid_argument with one sentence when fields contradict each other.
void check(const Recipe &recipe);

/// "fp16", "bf16", "fp32"; throws std::invalid_argument naming `what` otherwise.
[[nodiscard]] ops::DType format_named(std::string_view name, std::string_view what);
[[nodiscard]] std::string_view name_of(Policy policy);
[[nodiscard]] std::string_view name_of(UpdateRounding update);
[[nodiscard]] std::string_view name_of(ReduceOrder order); ///< "sum-first", "divide-first"

} // namespace halfscope::train
