// Data movement on tensors known at import, for every storage type.
#pragma once

#include "emulation/ops/operation.h"
#include "emulation/ops/tensor.h"

#include <span>

namespace halfscope::model::importing {

[[nodiscard]] bool is_movement(ops::OpKind kind);

/// transpose, reshape, expand, concat, slice, pad, trilu, gather, gather_elements, where; see evaluate().
[[nodiscard]] ops::HostTensor move_elements(const ops::Operation &operation,
                                            std::span<const ops::HostTensor *const> operands, ops::DType dtype,
                                            const ops::Shape &shape);

} // namespace halfscope::model::importing
