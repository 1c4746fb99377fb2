// The movement operations between operands and a result of one dtype; movement.cpp sees to the dtypes.
#pragma once

#include "emulation/ops/kernel_call.h"

namespace halfscope::ops::movement {

/// What an operation moves. `out` and all inputs have the same dtype; `call` carries attributes, threads and reject.
struct Move {
    const KernelCall &call;
    std::span<const TensorView> inputs;
    TensorView out;
};

void reshape(const Move &move);
void transpose(const Move &move);
void expand(const Move &move);
void concat(const Move &move);
void slice(const Move &move);
void slice_gradient(const Move &move);
void pad(const Move &move);
void trilu(const Move &move);

} // namespace halfscope::ops::movement
