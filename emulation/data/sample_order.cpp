#include "emulation/data/sample_order.h"

#include "emulation/number/philox.h"

#include <numeric>
#include <stdexcept>
#include <utility>

namespace halfscope::data {

SampleOrder::SampleOrder(Order order, std::uint64_t seed, std::int64_t samples)
    : order_(order), seed_(seed), samples_(samples) {
    if (samples <= 0) throw std::invalid_argument("a data set must have at least one sample");
}

std::vector<std::int64_t> SampleOrder::take(std::int64_t first, std::int64_t count) {
    std::vector<std::int64_t> taken(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t position = first + i, within = position % samples_;
        if (order_ == Order::shuffled) prepare(position / samples_);
        taken[static_cast<std::size_t>(i)] =
            order_ == Order::file ? within : permutation_[static_cast<std::size_t>(within)];
    }
    return taken;
}

void SampleOrder::prepare(std::int64_t pass) {
    if (pass == pass_) return;
    pass_ = pass;
    permutation_.resize(static_cast<std::size_t>(samples_));
    std::iota(permutation_.begin(), permutation_.end(), std::int64_t{0});
    const number::RandomStream stream{seed_, static_cast<std::uint32_t>(pass), 0, number::RandomPurpose::shuffling};
    for (std::uint64_t i = static_cast<std::uint64_t>(samples_) - 1; i > 0; --i) {
        // 64 random bits scaled to [0, i]; the bias is below samples * 2^-64.
        const number::PhiloxBlock words = stream.block(i);
        const std::uint64_t random = std::uint64_t{words[1]} << 32 | words[0];
        __extension__ using Wide = unsigned __int128;
        const auto j = static_cast<std::size_t>((Wide{random} * (i + 1)) >> 64);
        std::swap(permutation_[static_cast<std::size_t>(i)], permutation_[j]);
    }
}

} // namespace halfscope::data
