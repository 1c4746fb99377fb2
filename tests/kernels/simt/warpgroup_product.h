// wgmma.mma_async as the PTX ISA has it: operands found in shared memory from their descriptors, address by address.
#pragma once

#include "tests/kernels/simt/executor.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace simt {

/// One warp's share of a product.
struct WarpgroupProduct {
    std::string name;                                   ///< "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16"
    std::uint64_t a = 0, b = 0;                         ///< descriptors
    bool a_transposed = false, b_transposed = false;    ///< a: rows, b: columns side by side
    std::array<std::vector<Register>, warp_size> lanes; ///< the accumulator's registers
};

/// Whether this is the name of an instruction that is known here.
[[nodiscard]] bool is_warpgroup_product(const std::string &name);

/// d = a b + d for the rows of one warp: rows 16 (warp % 4) on.
void multiply_for_warp(const WarpgroupProduct &product, int warp);

} // namespace simt
