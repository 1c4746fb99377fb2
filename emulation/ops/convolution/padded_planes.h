// Channels of a few samples as C, with their padding, so that a tap of the window is a constant offset: no column
// matrix is ever built. With stride s the plane is kept as s * s sub-planes, one per phase, so that the pixels of an
// output row are neighbours for every tap.
#pragma once

#include "emulation/ops/kernel_call.h"
#include "emulation/ops/scratch.h"

#include <algorithm>
#include <cstdint>

namespace halfscope::ops {

/// Element (channel, y, x) of padded coordinates lies in the sub-plane (y mod stride, x mod stride) at row y / stride
/// and column x / stride. Padded coordinate = source coordinate + pad; rows and columns outside the source are +0.
struct PaddedLayout {
    std::int64_t stride[2] = {1, 1};
    std::int64_t pad[2] = {0, 0};
    std::int64_t source[2] = {0, 0}; ///< height and width of the source planes
    std::int64_t size[2] = {0, 0};   ///< rows and columns of a sub-plane

    [[nodiscard]] std::int64_t sub_plane() const { return size[0] * size[1]; }
    [[nodiscard]] std::int64_t channel() const { return stride[0] * stride[1] * sub_plane(); }
    /// Where padded (y, x) of channel 0 lies.
    [[nodiscard]] std::int64_t offset(std::int64_t y, std::int64_t x) const {
        const std::int64_t phase = y % stride[0] * stride[1] + x % stride[1];
        return phase * sub_plane() + y / stride[0] * size[1] + x / stride[1];
    }
};

/// Room behind the last plane that vector loads of a row's end may touch.
inline constexpr std::int64_t padded_slack = 64;

/// Writes `channels` planes of the source, from element `first` of `view` on, to `out`: rows [first_row, first_row +
/// layout.size[0]) of each sub-plane.
template <typename C>
void fill_padded(const TensorView &view, std::int64_t first, std::int64_t channels, const PaddedLayout &layout,
                 std::int64_t first_row, C *out) {
    const std::int64_t height = layout.source[0], width = layout.source[1];
    // Only the source rows that are needed.
    const std::int64_t begin = std::clamp<std::int64_t>(first_row * layout.stride[0] - layout.pad[0], 0, height);
    const std::int64_t end =
        std::clamp<std::int64_t>((first_row + layout.size[0]) * layout.stride[0] - layout.pad[0], begin, height);
    std::fill(out, out + channels * layout.channel(), C(0));
    const std::int64_t used = std::min(width, layout.size[1] * layout.stride[1] - layout.pad[1]);
    C *wide = scratch<C>(Scratch::operand_a, static_cast<std::size_t>((end - begin) * width));
    for (std::int64_t channel = 0; channel < channels; ++channel) {
        const C *rows = load<C>(view, first + (channel * height + begin) * width, (end - begin) * width, wide);
        C *planes = out + channel * layout.channel();
        for (std::int64_t y = begin; y < end; ++y) {
            const C *from = rows + (y - begin) * width;
            const std::int64_t padded_y = y + layout.pad[0] - first_row * layout.stride[0];
            if (layout.stride[1] == 1) {
                if (used > 0) std::copy(from, from + used, planes + layout.offset(padded_y, layout.pad[1]));
                continue;
            }
            for (std::int64_t phase = 0; phase < layout.stride[1]; ++phase) {
                // The first source column whose padded coordinate has this phase.
                std::int64_t x = (phase - layout.pad[1]) % layout.stride[1];
                if (x < 0) x += layout.stride[1];
                C *to = planes + layout.offset(padded_y, x + layout.pad[1]);
                for (; x < used; x += layout.stride[1]) *to++ = from[x];
            }
        }
    }
}

} // namespace halfscope::ops
