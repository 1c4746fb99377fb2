// What a block's threads have begun and not waited for: copies to shared memory (cp.async) and products of warpgroups
// (wgmma.mma_async). PTX lets both happen any time between their beginning and the wait for them; here they happen at
// once or, in other orders of threads (executor.h), as late as may be, so that a kernel that touches operands or
// results in between has other bits.
//
// Held against the PTX ISA, and refused with a sentence: products of operands that cp.async wrote and its thread has
// not shown to the async proxy (fence.proxy.async); a product without a wgmma.fence since the last wait; warps of a
// warpgroup that begin different products; products that nobody waits for.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace simt {

/// A block of so many threads begins; all is forgotten.
void begin_asynchronous_work(int threads);
/// Its threads have returned.
void end_asynchronous_work(const char *kernel);

// Of the thread that runs.
/// `bytes` from `from`, the rest of 16 zero, to an aligned address of shared memory.
void begin_copy(std::uint32_t to, const void *from, std::uint32_t bytes);
void end_group_of_copies();
void wait_for_copies(int left);
void show_to_async_proxy();

// Of a whole warp, called once for all its lanes.
void fence_products(int warp);
/// `what` is the same for all warps of the warpgroup.
void begin_product(int warp, std::string what, std::function<void()> perform);
void end_group_of_products(int warp);
void wait_for_products(int warp, int left);

/// Throws unless wgmma may read the aligned 16 bytes around there.
void require_shown(std::uint32_t address);

} // namespace simt
