// What both kinds of matrix product share: d [m, n] = c [m, n] + a [m, k] b [k, n], row-major.
#pragma once

#include <cstdint>

namespace halfscope::kernels::device {

struct GemmShape {
    std::int64_t m = 0, n = 0, k = 0;
};

/// Operands in device memory, typed by the launch. c null: +0 (the matrix unit alone).
struct GemmOperands {
    const void *a, *b, *c;
    void *d;
};

} // namespace halfscope::kernels::device
