// The words of a random stream in bulk, at SIMD speed.
#pragma once

#include "emulation/number/philox.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace halfscope::ops::random {

/// words[i] = stream.word(first + i).
void fill_words(const number::RandomStream &stream, std::uint64_t first, std::span<std::uint32_t> words);

} // namespace halfscope::ops::random
