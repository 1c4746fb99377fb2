// A trace lists tensors in execution order and does not name their consumers. What a tensor feeds is read off the next
// forward tensors: between a score and its softmax, or a square and its root, lie a few operations at most.
#pragma once

#include "analysis/statistics/tensor_history.h"

#include <span>
#include <string_view>

namespace halfscope::analysis {

/// Operations looked ahead for a consumer: scale, mask, cast, shift and their like in decomposed exports.
inline constexpr std::int64_t near_operations = 4;

/// The first forward tensor made by `operation` at most `within` operations after `tensor`; null when there is none.
/// An `operation` that ends in '*' is a prefix.
[[nodiscard]] const TensorHistory *next_forward(const RunRanges &ranges, const TensorHistory &tensor,
                                                std::string_view operation, std::int64_t within = near_operations);
/// The same, looking back.
[[nodiscard]] const TensorHistory *previous_forward(const RunRanges &ranges, const TensorHistory &tensor,
                                                    std::string_view operation, std::int64_t within = near_operations);

/// True for scores with a large negative constant written over some of them (-1e9, finfo.min) on the way to a softmax:
/// made by `where`, `add` or `subtract`, and their sum is that of at least one such value.
[[nodiscard]] bool is_masked_score(const RunRanges &ranges, const TensorHistory &tensor);

} // namespace halfscope::analysis
