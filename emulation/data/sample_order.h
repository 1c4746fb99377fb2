// Which samples go into which batch: a pure function of order, seed and position.
#pragma once

#include <cstdint>
#include <vector>

namespace halfscope::data {

enum class Order : std::uint8_t {
    shuffled, ///< a fresh permutation each pass, Fisher-Yates with Philox keyed by (seed, pass)
    file,     ///< 0, 1, 2, ... and again from 0
};

/// Position p of the endless stream of samples is in pass p / samples; batches are cut from the stream one after
/// another, so a pass that is not a multiple of the batch runs over into the next one.
class SampleOrder {
  public:
    SampleOrder(Order order, std::uint64_t seed, std::int64_t samples);
    /// Samples at positions [first, first + count).
    [[nodiscard]] std::vector<std::int64_t> take(std::int64_t first, std::int64_t count);

  private:
    void prepare(std::int64_t pass);

    Order order_;
    std::uint64_t seed_;
    std::int64_t samples_;
    std::int64_t pass_ = -1; ///< the pass permutation_ belongs to
    std::vector<std::int64_t> permutation_;
};

} // namespace halfscope::data
