// Results made of independent units (a softmax row, a pooled plane): computed whole, rounded and measured as
// everywhere.
#pragma once

#include "emulation/ops/kernel_call.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace halfscope::ops {

/// Room for a whole result in C: the output's own memory when it is stored as C, else memory of its own. leave() rounds
/// and measures it. For results that cannot be made block by block.
template <typename C> class WholeResult {
  public:
    WholeResult(const KernelCall &call, std::size_t index) : call_(call), index_(index) {
        const TensorView &view = call.outputs[index];
        if (view.dtype == (std::is_same_v<C, double> ? DType::fp64 : DType::fp32)) {
            values_ = view.as<C>();
        } else {
            owned_ = std::make_unique_for_overwrite<C[]>(static_cast<std::size_t>(view.shape.elements()));
            values_ = owned_.get();
        }
    }
    [[nodiscard]] C *values() const { return values_; }
    void leave() const { store<C>(call_, index_, values_); }

  private:
    const KernelCall &call_;
    std::size_t index_;
    std::unique_ptr<C[]> owned_;
    C *values_ = nullptr;
};

/// Makes floating output `index`, a sequence of units of `unit` consecutive elements, by compute(unit number, C *out),
/// which fills all of a unit. Units run in parallel. A unit that straddles two statistics blocks may be computed twice
/// (by different threads), so compute must not write anything but `out`.
template <typename C, typename Compute>
void produce_units(const KernelCall &call, std::size_t index, std::int64_t unit, const Compute &compute) {
    if (call.outputs[index].shape.elements() == 0) return;
    if (unit > produce_block) {
        const WholeResult<C> whole(call, index);
        call.threads.run(call.outputs[index].shape.elements() / unit,
                         [&](std::int64_t number) { compute(number, whole.values() + number * unit); });
        whole.leave();
        return;
    }
    produce<C>(call, index, [&](std::int64_t first, std::int64_t count, C *out) {
        for (std::int64_t number = first / unit; number * unit < first + count; ++number) {
            const std::int64_t begin = std::max(number * unit, first);
            const std::int64_t end = std::min((number + 1) * unit, first + count);
            if (end - begin == unit) {
                compute(number, out + (begin - first));
            } else {
                alignas(64) std::array<C, static_cast<std::size_t>(produce_block)> straddling;
                compute(number, straddling.data());
                std::copy(straddling.data() + (begin - number * unit), straddling.data() + (end - number * unit),
                          out + (begin - first));
            }
        }
    });
}

} // namespace halfscope::ops
