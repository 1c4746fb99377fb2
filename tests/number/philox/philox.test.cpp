#include "emulation/number/philox.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <set>

using namespace halfscope::number;

// Random123's known-answer file (kat_vectors, "philox4x32 10"): counter, key, expected.
static_assert(philox4x32({0, 0, 0, 0}, {0, 0}) == PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
              PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

TEST_CASE("a stream's words are those of the counters it states") {
    const RandomStream stream{0x299f31d0a4093822, 0x13198a2e, 0x03707344, RandomPurpose::rounding};
    CHECK(stream.key() == PhiloxKey{0xa4093822, 0x299f31d0});
    CHECK(stream.counter(0x00a308d3243f6a88) == PhiloxCounter{0x243f6a88, 0x00a308d3, 0x13198a2e, 0x03707344});
    for (std::uint64_t element = 0; element < 64; ++element)
        CHECK(stream.word(element) == philox4x32({static_cast<std::uint32_t>(element / 4), 0, 0x13198a2e, 0x03707344},
                                                 {0xa4093822, 0x299f31d0})[element % 4]);
}

TEST_CASE("seed, step, tensor, purpose and element each select different words") {
    std::set<std::uint32_t> words;
    std::size_t draws = 0;
    for (std::uint64_t seed : {std::uint64_t{1}, std::uint64_t{1} << 32})
        for (std::uint32_t step : {0u, 1u})
            for (std::uint32_t tensor : {0u, 1u})
                for (auto purpose : {RandomPurpose::rounding, RandomPurpose::dropout, RandomPurpose::initialisation})
                    for (std::uint64_t element : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 34}) {
                        words.insert(RandomStream{seed, step, tensor, purpose}.word(element));
                        ++draws;
                    }
    CHECK(words.size() == draws); // 72 words of 32 bits: a chance repeat has probability 6e-7, and the draw is fixed
}
