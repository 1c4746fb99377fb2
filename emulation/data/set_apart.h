// A held-out part for data that comes without one.
#pragma once

#include "emulation/data/dataset.h"

namespace halfscope::data {

/// One sample in so many is set apart.
inline constexpr std::int64_t set_apart_share = 10;

/// `dataset` itself when it has a held-out part, or too few samples for both parts to fill a batch. Otherwise its
/// samples in two parts: a tenth (at least a batch), drawn once by Philox with a key of its own, is held out, the rest,
/// in the order it had, is for training. The draw depends on the number of samples only, so every run of every recipe
/// and seed holds out the same ones.
[[nodiscard]] std::unique_ptr<Dataset> set_apart(std::unique_ptr<Dataset> dataset, std::int64_t batch);

} // namespace halfscope::data
