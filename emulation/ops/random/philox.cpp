#include "emulation/ops/random/philox.h"

#include "emulation/ops/transcendental.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace halfscope::ops::random {

void fill_uniform(const RandomStream &stream, float low, float high, std::span<float> out, std::uint64_t first) {
    const float width = high - low;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = low + width * uniform_from(stream.word(first + i));
}

void fill_normal(const RandomStream &stream, float mean, float deviation, std::span<float> out, std::uint64_t first) {
    constexpr float two_pi = 2 * std::numbers::pi_v<float>;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::uint64_t element = first + i, pair = element / 2 * 2;
        const number::PhiloxBlock words = stream.block(pair / 4);
        const float u1 = 1.0f - uniform_from(words[pair % 4]);
        const float angle = two_pi * uniform_from(words[pair % 4 + 1]);
        const float radius = std::sqrt(-2.0f * transcendental::log(u1));
        const float turn = element == pair ? transcendental::cos(angle) : transcendental::sin(angle);
        out[i] = mean + deviation * (radius * turn);
    }
}

std::vector<std::int64_t> permutation(const RandomStream &stream, std::int64_t count) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    for (std::uint64_t i = order.size(); i-- > 1;) {
        const std::uint64_t high = stream.word(2 * i), low = stream.word(2 * i + 1);
        // (high * 2^32 + low) * (i + 1) / 2^64, in 32-bit halves; i + 1 < 2^32 elements.
        const std::uint64_t carried = (low * (i + 1)) >> 32;
        const std::uint64_t chosen = (high * (i + 1) + carried) >> 32;
        std::swap(order[i], order[chosen]);
    }
    return order;
}

} // namespace halfscope::ops::random
