// The inner step of max pooling: one tap of every window of a row.
#pragma once

#include <cstdint>

namespace halfscope::ops::pooling {

/// For o in [0, count): taps[o], which is element at + o * stride of its plane, becomes best[o] and winner[o] when it
/// is greater than best[o], or NaN, or the first tap of its window (winner[o] < 0).
void take_taps(const float *taps, std::int32_t at, std::int32_t stride, std::int64_t count, float *best,
               std::int32_t *winner);
void take_taps(const double *taps, std::int32_t at, std::int32_t stride, std::int64_t count, double *best,
               std::int32_t *winner);

} // namespace halfscope::ops::pooling
