// Shape rules by family of operations; called by infer_results() once arity and attributes are known to be right.
#pragma once

#include "emulation/model/shape_inference.h"

namespace halfscope::model::shapes {

using Results = std::vector<Result>;

[[nodiscard]] Results elementwise(const InferenceRequest &request);
[[nodiscard]] Results reduction(const InferenceRequest &request);
[[nodiscard]] Results matmul(const InferenceRequest &request);
[[nodiscard]] Results convolution(const InferenceRequest &request);
[[nodiscard]] Results pooling(const InferenceRequest &request);
[[nodiscard]] Results normalization(const InferenceRequest &request);
[[nodiscard]] Results softmax(const InferenceRequest &request);
[[nodiscard]] Results loss(const InferenceRequest &request);
[[nodiscard]] Results indexing(const InferenceRequest &request);
[[nodiscard]] Results movement(const InferenceRequest &request);
[[nodiscard]] Results random(const InferenceRequest &request);
[[nodiscard]] Results training(const InferenceRequest &request);

/// output_dtype, else the promotion of the floating operands. Rejects when no operand is floating.
[[nodiscard]] ops::DType floating_result(const InferenceRequest &request);
/// output_dtype, else `natural`.
[[nodiscard]] ops::DType result_like(const InferenceRequest &request, ops::DType natural);
/// output_shape, or a rejection saying that this operation needs it.
[[nodiscard]] const ops::Shape &stated_shape(const InferenceRequest &request);
/// Of statistics saved by norms: fp32, or fp64 beside an fp64 x.
[[nodiscard]] ops::DType statistics_type(ops::DType x);
/// Rejects unless operand `index` has this shape; `what` names it in the message ("gamma").
void require_shape(const InferenceRequest &request, std::size_t index, const ops::Shape &shape, std::string_view what);
/// Rejects unless operand `index` is int64.
void require_int64(const InferenceRequest &request, std::size_t index, std::string_view what);
/// Axis attribute, checked against operand `index`.
[[nodiscard]] int checked_axis(const InferenceRequest &request, std::size_t index);

} // namespace halfscope::model::shapes
