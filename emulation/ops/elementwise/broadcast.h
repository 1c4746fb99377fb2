// An operand broadcast to the output's shape as NumPy does, read in the output's flat order.
#pragma once

#include "emulation/ops/tensor.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace halfscope::ops::elementwise {

/// The NumPy broadcast of two shapes; std::invalid_argument when there is none.
[[nodiscard]] Shape broadcast_shape(const Shape &a, const Shape &b);

/// The output's axes, merged as far as the operand allows; a broadcast axis has stride 0. The innermost merged axis
/// then always has stride 0 or 1, so that an operand is read in runs: copies of consecutive elements, or one element
/// repeated.
class Broadcast {
  public:
    /// std::invalid_argument when `operand` does not broadcast to `output`.
    Broadcast(const Shape &operand, const Shape &output);

    /// The operand is the output's shape up to axes of size 1.
    [[nodiscard]] bool same() const { return rank_ == 1 && strides_[0] == 1; }
    /// One element for all of the output.
    [[nodiscard]] bool single() const { return rank_ == 1 && strides_[0] == 0; }

    /// Writes elements [first, first + count) of the broadcast operand.
    template <typename T> void read(const T *operand, std::int64_t first, std::int64_t count, T *out) const {
        if (count <= 0) return;
        const int inner = rank_ - 1;
        std::array<std::int64_t, Shape::max_rank> index{};
        std::int64_t rest = first, offset = 0;
        for (int axis = inner; axis >= 0; --axis) {
            index[at(axis)] = rest % sizes_[at(axis)];
            rest /= sizes_[at(axis)];
            offset += index[at(axis)] * strides_[at(axis)];
        }
        for (;;) {
            const std::int64_t run = std::min(count, sizes_[at(inner)] - index[at(inner)]);
            if (strides_[at(inner)] == 0)
                std::fill_n(out, run, operand[offset]);
            else
                std::copy_n(operand + offset, run, out);
            out += run;
            count -= run;
            if (count == 0) return;
            offset -= index[at(inner)] * strides_[at(inner)];
            index[at(inner)] = 0;
            for (int axis = inner - 1; axis >= 0; --axis) {
                offset += strides_[at(axis)];
                if (++index[at(axis)] < sizes_[at(axis)]) break;
                offset -= sizes_[at(axis)] * strides_[at(axis)];
                index[at(axis)] = 0;
            }
        }
    }

  private:
    static std::size_t at(int axis) { return static_cast<std::size_t>(axis); }

    std::array<std::int64_t, Shape::max_rank> sizes_{}, strides_{};
    int rank_ = 0;
};

} // namespace halfscope::ops::elementwise
