// Made-up samples with something to learn in them, from the model's input shapes alone.
#pragma once

#include "emulation/data/dataset.h"

#include <memory>

namespace halfscope::data {

inline constexpr std::int64_t synthetic_samples = 4096, synthetic_held_out = 512;

/// Sample i is a pure function of (seed, i): counter-based, the same on every machine (integer and exactly rounded
/// arithmetic only). Floating inputs are close to N(0, 1) (sums of 12 uniforms). What there is to learn, by task:
///   classification   floating inputs carry a fixed pattern of their class; int64 inputs carry class tokens
///   regression       a fixed sparse linear teacher of the inputs, squashed to (-1, 1)
///   binary           the sign of that teacher
///   language_model   a fixed random map from token to next token, followed nine times out of ten
/// Boolean inputs are all true.
[[nodiscard]] std::unique_ptr<Dataset> make_synthetic(const Demand &demand, std::uint64_t seed = 0);

} // namespace halfscope::data
