// Operands and results as the numbers that they are: everything that is judged fits a float or a double exactly.
#pragma once

#include "kernels/judge/judgement.h"

#include "emulation/ops/tensor.h"

#include <cstdint>
#include <vector>

namespace halfscope::kernels::judge {

/// fp16, bf16 and fp32 tensors, exactly. Throws std::invalid_argument on other types.
[[nodiscard]] std::vector<float> values_of(const ops::TensorView &tensor);
/// Bits of an element, and its value in double; fp64 too.
[[nodiscard]] std::uint64_t bits_at(const ops::TensorView &tensor, std::int64_t index);
[[nodiscard]] double value_at(const ops::TensorView &tensor, std::int64_t index);

/// Row-major position of an element.
[[nodiscard]] std::vector<std::int64_t> position_of(const ops::Shape &shape, std::int64_t index);
/// "a[3, 17]" with its bits and value.
[[nodiscard]] Operand operand_at(const char *name, const ops::TensorView &tensor, std::int64_t index);

/// The element of `operand` that NumPy broadcasting puts beside element `index` of `shape`. Throws
/// std::invalid_argument when it does not broadcast.
[[nodiscard]] std::int64_t broadcast_index(const ops::Shape &operand, const ops::Shape &shape, std::int64_t index);
/// A stack of matrices' shape without the matrices.
[[nodiscard]] inline ops::Shape leading_axes(const ops::Shape &shape) {
    return ops::Shape(shape.sizes().first(shape.sizes().size() - 2));
}

} // namespace halfscope::kernels::judge
