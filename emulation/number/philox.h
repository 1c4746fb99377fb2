// Philox4x32-10, the counter-based generator behind every random choice: stochastic rounding, dropout, initialisation,
// shuffling. A draw is a pure function of (seed, step, tensor, purpose, element), so it does not depend on threads,
// SIMD width, or what was drawn before.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC11; constants and known-answer
// vectors of the authors' Random123 library.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace halfscope::number {

using PhiloxCounter = std::array<std::uint32_t, 4>; ///< word 0 is the least significant
using PhiloxKey = std::array<std::uint32_t, 2>;
using PhiloxBlock = std::array<std::uint32_t, 4>;

inline constexpr int philox_rounds = 10;
inline constexpr std::array<std::uint32_t, 2> philox_multipliers{0xD2511F53u, 0xCD9E8D57u};
inline constexpr std::array<std::uint32_t, 2> philox_key_increments{0x9E3779B9u, 0xBB67AE85u};

/// Four uniform words from one counter value.
[[nodiscard]] constexpr PhiloxBlock philox4x32(PhiloxCounter counter, PhiloxKey key) {
    for (int round = 0; round < philox_rounds; ++round) {
        if (round > 0)
            for (std::size_t i = 0; i < 2; ++i) key[i] += philox_key_increments[i];
        const std::uint64_t product0 = std::uint64_t{philox_multipliers[0]} * counter[0];
        const std::uint64_t product1 = std::uint64_t{philox_multipliers[1]} * counter[2];
        counter = {
            static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
            static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    }
    return counter;
}

/// What a stream is for. It is part of the counter, so that the same (seed, step, tensor) may serve several uses
/// without repeating a word.
enum class RandomPurpose : std::uint8_t {
    rounding = 0,
    dropout = 1,
    initialisation = 2,
    shuffling = 3,
    data = 4,
    sampling = 5, ///< values that a model draws in its forward pass
};

/// The words of one stream: word(i) is word i mod 4 of Philox block i / 4.
/// key = (seed low, seed high); counter = (block low, block high with the purpose in its top byte, step, tensor).
struct RandomStream {
    std::uint64_t seed = 0;
    std::uint32_t step = 0;
    std::uint32_t tensor = 0;
    RandomPurpose purpose = RandomPurpose::rounding;

    [[nodiscard]] constexpr PhiloxKey key() const {
        return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
    }
    /// block < 2^56.
    [[nodiscard]] constexpr PhiloxCounter counter(std::uint64_t block) const {
        return {static_cast<std::uint32_t>(block),
                static_cast<std::uint32_t>(block >> 32) | (std::uint32_t{static_cast<std::uint8_t>(purpose)} << 24),
                step, tensor};
    }
    [[nodiscard]] constexpr PhiloxBlock block(std::uint64_t index) const { return philox4x32(counter(index), key()); }
    [[nodiscard]] constexpr std::uint32_t word(std::uint64_t element) const { return block(element / 4)[element % 4]; }
};

} // namespace halfscope::number
