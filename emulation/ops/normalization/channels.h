// Batch-norm operands [N, C, space...] read channel by channel.
#pragma once

#include "emulation/ops/kernel_call.h"
#include "emulation/ops/reduction/tree.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace halfscope::ops::normalization {

struct Channels {
    std::int64_t samples = 0, channels = 0, space = 1;

    [[nodiscard]] std::int64_t count() const { return samples * space; } ///< elements of one channel
};

/// Rejects a rank below 2.
[[nodiscard]] inline Channels channels_of(const KernelCall &call, const Shape &shape) {
    if (shape.rank() < 2) call.reject("needs the shape [N, C, ...], not " + shape.text());
    Channels channels{shape[0], shape[1]};
    for (int axis = 2; axis < shape.rank(); ++axis) channels.space *= shape[axis];
    return channels;
}

/// Elements [first, first + count) of a channel, in the order N, space, as C; out holds `count` elements.
template <typename C>
void load_channel(const TensorView &view, const Channels &channels, std::int64_t channel, std::int64_t first,
                  std::int64_t count, C *out) {
    for (std::int64_t at = first; at < first + count;) {
        const std::int64_t inside = at % channels.space, sample = at / channels.space;
        const std::int64_t length = std::min(channels.space - inside, first + count - at);
        const std::int64_t from = (sample * channels.channels + channel) * channels.space + inside;
        const C *loaded = load<C>(view, from, length, out);
        if (loaded != out) std::copy(loaded, loaded + length, out);
        out += length;
        at += length;
    }
}

/// tree over a channel of terms made from the operands' elements: reduce_chunk(pointers to a chunk of each operand,
/// count) gives a chunk's tree sum.
template <typename C, std::size_t Operands, typename ReduceChunk>
C channel_tree(const std::array<const TensorView *, Operands> &operands, const Channels &channels, std::int64_t channel,
               const ReduceChunk &reduce_chunk) {
    alignas(64) C buffers[Operands][reduction::tree_chunk];
    std::array<const C *, Operands> pointers{};
    const std::int64_t n = channels.count();
    std::vector<C> chunk_sums;
    for (std::int64_t first = 0; first < n; first += reduction::tree_chunk) {
        const std::int64_t count = std::min(reduction::tree_chunk, n - first);
        for (std::size_t i = 0; i < Operands; ++i) {
            load_channel<C>(*operands[i], channels, channel, first, count, buffers[i]);
            pointers[i] = buffers[i];
        }
        chunk_sums.push_back(reduce_chunk(pointers, count));
    }
    return reduction::tree_sum(chunk_sums.data(), static_cast<std::int64_t>(chunk_sums.size()));
}

} // namespace halfscope::ops::normalization
