// One matrix product with a named accumulation, for callers that have tensors and no graph.
#pragma once

#include "emulation/ops/operation.h"
#include "emulation/ops/thread_pool.h"

namespace halfscope::ops {

/// d = a b, or with `c` d = c + a b, where c is the accumulator's start (see Matmul::onto_third): shapes [m, k],
/// [k, n], c any shape that broadcasts to [m, n], d [m, n]; leading axes broadcast. d's storage is fp32, fp16 or bf16;
/// the accumulator is rounded to it once (exact when it is the accumulator's own format). Throws std::invalid_argument
/// with one sentence when shapes or formats do not fit `model`.
void tensor_core_product(Accumulation model, const TensorView &a, const TensorView &b, const TensorView *c,
                         const TensorView &d, ThreadPool &threads);

} // namespace halfscope::ops
