#include "emulation/number/simd_targets.h"

#include "emulation/ops/random/words.h"

#include <algorithm>
#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulation/ops/random/words.cpp"
#include <hwy/foreach_target.h>

#include "emulation/number/round_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halfscope::number::HWY_NAMESPACE {

/// Whole blocks, count a multiple of 64: no vector has more lanes than 16.
void fill_blocks(const RandomStream &stream, std::uint64_t first_block, std::size_t count, std::uint32_t *words) {
#if HWY_TARGET == HWY_SCALAR
    for (std::size_t i = 0; i < count; i += 4) {
        const PhiloxBlock block = stream.block(first_block + i / 4);
        std::copy(block.begin(), block.end(), words + i);
    }
#else
    random_words(stream, first_block, count, words);
#endif
}

} // namespace halfscope::number::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halfscope {
namespace number {
HWY_EXPORT(fill_blocks);

namespace {
void dispatch_fill_blocks(const RandomStream &stream, std::uint64_t first_block, std::size_t count,
                          std::uint32_t *words) {
    HWY_DYNAMIC_DISPATCH(fill_blocks)(stream, first_block, count, words);
}
} // namespace
} // namespace number

namespace ops::random {

void fill_words(const number::RandomStream &stream, std::uint64_t first, std::span<std::uint32_t> words) {
    constexpr std::size_t piece = 64;
    std::uint64_t block = first / 4;
    std::size_t done = 0;
    const auto fill_partly = [&](std::size_t skip) {
        std::array<std::uint32_t, piece> some;
        number::dispatch_fill_blocks(stream, block, piece, some.data());
        const std::size_t count = std::min(piece - skip, words.size() - done);
        std::copy_n(some.data() + skip, count, words.data() + done);
        done += count;
        block += piece / 4;
    };
    if (first % 4 != 0 && !words.empty()) fill_partly(first % 4);
    // After an unaligned start `done` is a whole number of blocks short of a piece, so blocks stay whole.
    const std::size_t whole = (words.size() - done) / piece * piece;
    if (whole > 0) number::dispatch_fill_blocks(stream, block, whole, words.data() + done);
    block += whole / 4;
    done += whole;
    if (done < words.size()) fill_partly(0);
}

} // namespace ops::random
} // namespace halfscope
#endif // HWY_ONCE
