#include "emulation/ops/random/philox.h"

#include "emulation/ops/random/words.h"
#include "emulation/ops/transcendental.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace halfscope::ops::random {

namespace {

/// Values are made in pieces of this many elements, from words drawn in bulk.
constexpr std::size_t piece = 1024;

} // namespace

void fill_uniform(const RandomStream &stream, float low, float high, std::span<float> out, std::uint64_t first) {
    const float width = high - low;
    std::array<std::uint32_t, piece> words;
    for (std::size_t done = 0; done < out.size(); done += piece) {
        const std::size_t count = std::min(piece, out.size() - done);
        fill_words(stream, first + done, std::span(words).first(count));
        for (std::size_t i = 0; i < count; ++i) out[done + i] = low + width * uniform_from(words[i]);
    }
}

void fill_normal(const RandomStream &stream, float mean, float deviation, std::span<float> out, std::uint64_t first) {
    constexpr float two_pi = 2 * std::numbers::pi_v<float>;
    constexpr std::size_t pairs = piece / 2;
    std::array<std::uint32_t, piece> words;
    std::array<float, pairs> radius, cosine, sine;
    const std::uint64_t end = first + out.size();
    for (std::uint64_t begin = first / 2 * 2; begin < end; begin += piece) {
        fill_words(stream, begin, words);
        for (std::size_t pair = 0; pair < pairs; ++pair) {
            radius[pair] = 1.0f - uniform_from(words[2 * pair]);
            cosine[pair] = sine[pair] = two_pi * uniform_from(words[2 * pair + 1]);
        }
        transcendental::log(radius.data(), radius.data(), pairs);
        transcendental::cos(cosine.data(), cosine.data(), pairs);
        transcendental::sin(sine.data(), sine.data(), pairs);
        for (std::size_t pair = 0; pair < pairs; ++pair) {
            const float length = std::sqrt(-2.0f * radius[pair]);
            cosine[pair] = mean + deviation * (length * cosine[pair]);
            sine[pair] = mean + deviation * (length * sine[pair]);
        }
        for (std::uint64_t element = std::max(first, begin); element < std::min<std::uint64_t>(end, begin + piece);
             ++element)
            out[element - first] = element % 2 == 0 ? cosine[(element - begin) / 2] : sine[(element - begin) / 2];
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
