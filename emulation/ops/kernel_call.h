// What the CPU emulator hands to a kernel family, and how a kernel reads its operands and leaves its results.
#pragma once

#include "emulation/number/round_array.h"
#include "emulation/ops/backend.h"
#include "emulation/ops/thread_pool.h"

#include <functional>
#include <span>
#include <string>

namespace halfscope::ops {

struct KernelCall {
    const Operation &operation;
    std::span<const TensorView> inputs;
    std::span<const TensorView> outputs;
    std::span<number::RangeStatistics *const> statistics; ///< empty, or one per output
    RandomKey key;
    ThreadPool &threads;

    [[nodiscard]] number::RangeStatistics *statistics_of(std::size_t output) const {
        return statistics.empty() ? nullptr : statistics[output];
    }
    /// True when C is double: some floating operand or result is stored as fp64.
    [[nodiscard]] bool in_fp64() const;
    /// std::invalid_argument "layer_norm: <reason>".
    [[noreturn]] void reject(const std::string &reason) const;
};

/// Elements [first, first + count) of a floating view as C (float or double). Points into the view when it is stored
/// so, else into `scratch`, which must hold `count` elements. 64-byte alignment is not promised.
template <typename C> const C *load(const TensorView &view, std::int64_t first, std::int64_t count, C *scratch);

/// A whole floating operand as C: a pointer into the view when it is stored so, else a widened copy kept in `storage`.
template <typename C> const C *load_all(const TensorView &view, std::vector<C> &storage, ThreadPool &threads);

/// Elements handed to one fill call: a multiple of number::statistics_block, so that statistics do not depend on
/// threads.
inline constexpr std::int64_t produce_block = static_cast<std::int64_t>(number::statistics_block);

/// Makes floating output `index` block by block: fill(first, count, out) writes C values of the flat elements
/// [first, first + count) into out; they are then rounded once to storage and measured. Blocks run in parallel.
template <typename C>
void produce(const KernelCall &call, std::size_t index,
             const std::function<void(std::int64_t first, std::int64_t count, C *out)> &fill);

/// Rounds and measures a whole output already computed in C (values has outputs[index].shape.elements() elements).
/// When the output is stored as C, values may be its own memory.
template <typename C> void store(const KernelCall &call, std::size_t index, const C *values);

/// The flat elements [first, first + count) of floating output `index`, rounded to its storage from `values` (which may
/// be that memory) by the given rounding; their statistics are merged into `statistics` unless it is null. For kernels
/// that make several outputs in one pass: first must be a multiple of produce_block, count at most one block, and the
/// blocks' statistics merged in order.
template <typename C>
void leave_block(const KernelCall &call, std::size_t index, std::int64_t first, std::int64_t count, const C *values,
                 const OutputRounding &rounding, number::RangeStatistics *statistics);

/// Statistics of floating output `index` as it lies in memory, for operations that round nothing. Does nothing when
/// they are not wanted or the output is not floating.
void measure(const KernelCall &call, std::size_t index);

} // namespace halfscope::ops
