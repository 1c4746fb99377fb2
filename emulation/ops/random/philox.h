// Random values of the toolkit: Philox words (number/philox.h) turned into uniform and normal numbers and orders.
// Every value is a pure function of (key, purpose, element).
#pragma once

#include "emulation/number/philox.h"
#include "emulation/ops/backend.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace halfscope::ops::random {

using number::RandomPurpose;
using number::RandomStream;

[[nodiscard]] constexpr RandomStream stream_of(const RandomKey &key, RandomPurpose purpose) {
    return {key.seed, key.step, key.tensor, purpose};
}

/// A word's upper 24 bits as a multiple of 2^-24 in [0, 1): exact in fp32.
[[nodiscard]] constexpr float uniform_from(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

/// Dropout with this ratio in [0, 1] keeps the element that drew `word` when its uniform is >= ratio, that is when
/// word >> 8 >= keep_threshold(ratio): the least integer >= ratio * 2^24 (the product is exact).
[[nodiscard]] constexpr std::uint32_t keep_threshold(double ratio) {
    const double scaled = ratio * 0x1p24;
    const auto below = static_cast<std::uint32_t>(scaled);
    return below + (static_cast<double>(below) < scaled ? 1 : 0);
}

/// out[i] = low + (high - low) * uniform(first + i), each step rounded in fp32.
void fill_uniform(const RandomStream &stream, float low, float high, std::span<float> out, std::uint64_t first = 0);

/// Normal values by Box-Muller: elements 2p and 2p+1 use words 2p and 2p+1, u1 = 1 - uniform (so in (0, 1]),
/// u2 = uniform: r = sqrt(-2 log u1), values r * cos(2 pi u2) and r * sin(2 pi u2), then mean + deviation * value, all
/// in fp32 with ops/transcendental.h. |value| <= sqrt(48 ln 2) = 5.77.
void fill_normal(const RandomStream &stream, float mean, float deviation, std::span<float> out,
                 std::uint64_t first = 0);

/// A permutation of 0..count-1, uniform up to the 64-bit draws: Fisher-Yates from the last element down, element i
/// swapped with floor(draw * (i + 1) / 2^64), the draw being words 2i and 2i+1 (high, low) of the stream.
[[nodiscard]] std::vector<std::int64_t> permutation(const RandomStream &stream, std::int64_t count);

} // namespace halfscope::ops::random
