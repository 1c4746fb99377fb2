// Shapes and storage types of an operation's results, from its operands.
//
// Storage type of floating results, unless the caller asks for another: the promotion of the floating operands as
// PyTorch does it (fp16 with bf16 gives fp32; a 16-bit type with fp32 gives fp32; fp64 wins), where one-element
// constants take part only when there is nothing else. Norms follow x, not their fp32 parameters; exact data movement
// keeps the operand's type; statistics saved for the backward pass are fp32 (fp64 beside an fp64 x).
#pragma once

#include "emulation/ops/operation.h"
#include "emulation/ops/tensor.h"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace halfscope::model {

struct Operand {
    ops::DType dtype = ops::DType::fp32;
    ops::Shape shape;
    bool scalar_constant = false; ///< a one-element constant: does not promote
};

struct Result {
    ops::DType dtype = ops::DType::fp32;
    ops::Shape shape;
    bool saved = false;        ///< kept for the backward pass or the next step only
    std::string_view suffix{}; ///< of the value's name after the node's; empty for the first result
};

/// Everything inference looks at. `node` is for messages only.
struct InferenceRequest {
    const ops::Operation &operation;
    std::string_view node;
    std::span<const Operand> operands;
    std::optional<ops::DType> output_dtype; ///< of the floating results; required for cast
    /// Required where operands do not decide it: reshape, expand, fill, one_hot (its Axis' size), top_k (how many),
    /// resize_nearest, and the gradients of convolution, pooling, slice, gather, resize and nll_loss.
    std::optional<ops::Shape> output_shape;

    /// std::invalid_argument "node 'fc1' (matmul): <reason>; operands are fp32 [64, 784], fp32 [785, 10]".
    [[noreturn]] void reject(std::string_view reason) const;
};

/// All results, in the order of ops/operation.h. Throws std::invalid_argument when operands or attributes do not fit.
[[nodiscard]] std::vector<Result> infer_results(const InferenceRequest &request);

/// Gives attributes that were left out their defaults (Reduction over all axes, unit strides, ...), so that kernels
/// always find them complete. Throws std::invalid_argument when the operation has no default or the wrong kind.
void complete_attributes(ops::Operation &operation, std::string_view node, std::span<const Operand> operands);

/// NumPy broadcasting; empty when the shapes do not fit.
[[nodiscard]] std::optional<ops::Shape> broadcast(const ops::Shape &a, const ops::Shape &b);

/// fp16 with bf16 -> fp32, 16-bit with fp32 -> fp32, anything with fp64 -> fp64. Both floating.
[[nodiscard]] ops::DType promote(ops::DType a, ops::DType b);

} // namespace halfscope::model
