// What every optimizer update needs: hyperparameters as they are used, and one pass over blocks of several tensors.
#pragma once

#include "emulation/ops/kernel_call.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace halfscope::ops::optimizer {

/// The hyperparameters, rounded to `state` when the step asks for it.
[[nodiscard]] OptimizerStep hyperparameters(const OptimizerStep &step, DType state);

/// The storage type of an eager tensor made of operands stored as a and b: the wider; fp16 with bf16 gives fp32.
[[nodiscard]] DType promoted(DType a, DType b);

/// Rejects other numbers of operands than given and operands that differ in shape.
void require_update_operands(const KernelCall &call, std::size_t inputs, std::size_t outputs, const char *layout);

/// Rounds values in place to a 16-bit type; leaves them alone for any other.
template <typename C> void round_in_place(C *values, std::int64_t count, DType storage);

/// One block of an update: operands as C in scratch of their own, so that outputs may be the inputs' memory.
template <typename C> class UpdateBlock {
  public:
    UpdateBlock(const KernelCall &call, std::int64_t first, std::int64_t count,
                std::vector<std::vector<number::RangeStatistics>> &parts)
        : call_(call),
          first_(first),
          count_(count),
          parts_(parts),
          intermediates_rounded_(is_16bit(call.inputs[0].dtype)) {}

    [[nodiscard]] std::int64_t count() const { return count_; }

    /// A copy of an operand's block in `scratch`, which holds produce_block elements.
    void read(std::size_t input, C *scratch) const { copy(call_.inputs[input], scratch); }

    /// Leaves a result rounded to storage, and in `values` what storage now holds. Only the weight, output 0, takes
    /// the operation's rounding.
    void leave(std::size_t output, C *values) const {
        auto &parts = parts_[output];
        leave_block<C>(call_, output, first_, count_, values, output == 0 ? call_.operation.rounding : OutputRounding{},
                       parts.empty() ? nullptr : &parts[static_cast<std::size_t>(first_ / produce_block)]);
        copy(call_.outputs[output], values);
    }

    /// Rounds what an eager kernel would leave as a tensor of type `storage`, when the weight is stored in 16 bits.
    void intermediate(C *values, DType storage) const {
        if (intermediates_rounded_) round_in_place(values, count_, storage);
    }
    [[nodiscard]] bool intermediates_rounded() const { return intermediates_rounded_; }

  private:
    void copy(const TensorView &view, C *scratch) const {
        const C *loaded = load<C>(view, first_, count_, scratch);
        if (loaded != scratch) std::copy(loaded, loaded + count_, scratch);
    }

    const KernelCall &call_;
    std::int64_t first_, count_;
    std::vector<std::vector<number::RangeStatistics>> &parts_;
    bool intermediates_rounded_;
};

/// w + u with the rounding errors of earlier steps carried in the compensation, which is operand `compensation` and
/// output `compensation` - 1. w and u are the block's weights and (negated) updates; all three arrays are overwritten.
template <typename C>
void compensated_update(const UpdateBlock<C> &block, C *w, C *u, C *scratch, std::size_t compensation) {
    const std::int64_t n = block.count();
    C *c = scratch;
    block.read(compensation, c);
    for (std::int64_t i = 0; i < n; ++i) u[i] = u[i] - c[i];
    std::copy(w, w + n, c);
    for (std::int64_t i = 0; i < n; ++i) w[i] = w[i] + u[i];
    block.leave(0, w);
    for (std::int64_t i = 0; i < n; ++i) c[i] = (w[i] - c[i]) - u[i];
    block.leave(compensation - 1, c);
}

/// Runs update(UpdateBlock) over all blocks in parallel and gathers the statistics of every output.
template <typename C, typename Update> void for_each_block(const KernelCall &call, const Update &update) {
    const std::int64_t total = call.inputs[0].shape.elements();
    const std::int64_t blocks = (total + produce_block - 1) / produce_block;
    std::vector<std::vector<number::RangeStatistics>> parts(call.outputs.size());
    for (std::size_t i = 0; i < parts.size(); ++i)
        if (call.statistics_of(i)) parts[i].resize(static_cast<std::size_t>(blocks));
    call.threads.run(blocks, [&](std::int64_t block) {
        const std::int64_t first = block * produce_block;
        update(UpdateBlock<C>(call, first, std::min(produce_block, total - first), parts));
    });
    for (std::size_t i = 0; i < parts.size(); ++i)
        for (const auto &part : parts[i]) call.statistics_of(i)->merge(part);
}

} // namespace halfscope::ops::optimizer
