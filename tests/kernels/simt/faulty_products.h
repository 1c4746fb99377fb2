// A warpgroup's product with one mistake at a time, for the executor's own test.
#pragma once

#include <cstdint>

namespace simt::faulty {

enum class Mistake : std::uint8_t {
    none,
    stride,            ///< a descriptor says that eight rows of a are 512 bytes apart, not 1024
    swizzle,           ///< a lies there as if nothing were swizzled
    no_copy_wait,      ///< nobody waits for the copies
    no_proxy_fence,    ///< copies not shown to the async proxy
    no_wgmma_fence,    ///< no wgmma.fence before the product
    early_results,     ///< results taken before the wait for the product
    early_overwriting, ///< new copies onto the operands before the wait for the product
    other_descriptor,  ///< the last warp names another operand
    no_product_wait,   ///< nobody waits for the product
};

/// 64 x 8 results of whole numbers by one wgmma of swizzled operands, copied by cp.async; true when they are those of
/// the plain product. Throws what the executor says.
[[nodiscard]] bool multiply_by_warpgroup(Mistake mistake);

} // namespace simt::faulty
