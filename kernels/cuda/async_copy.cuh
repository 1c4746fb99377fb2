// Copies from global to shared memory that a thread begins and waits for later: cp.async, PTX ISA "Non-bulk copy".
#pragma once

#include "kernels/cuda/ptx.cuh"

#include <cstddef>
#include <cstdint>

namespace halfscope::kernels::device {

/// Begins to copy 16 bytes, both addresses aligned so; zeros where not `inside`, and nothing is read.
__device__ inline void begin_copy(std::uint32_t shared, const void *global, bool inside) {
    const auto from = static_cast<std::uint64_t>(__cvta_generic_to_global(global));
    const std::uint32_t bytes = inside ? 16 : 0;
    HALFSCOPE_PTX_OF_INPUTS("cp.async.cg.shared.global [%0], [%1], 16, %2;",
                            HALFSCOPE_OPERANDS(HALFSCOPE_IN(shared), HALFSCOPE_IN_WIDE(from), HALFSCOPE_IN(bytes)));
}

/// What this thread has begun since the last call is one group.
__device__ inline void end_group_of_copies() { HALFSCOPE_PTX_ALONE("cp.async.commit_group;"); }

/// Waits for all of this thread's groups but the last `left`.
template <int left> __device__ void wait_for_copies() {
    static_assert(left == 0 || left == 1);
    if constexpr (left == 1)
        HALFSCOPE_PTX_ALONE("cp.async.wait_group 1;");
    else
        HALFSCOPE_PTX_ALONE("cp.async.wait_group 0;");
}

} // namespace halfscope::kernels::device
