// What would happen to recorded values in another format or under another loss scale, read off their exponent
// histogram without another run.
//
// A histogram knows the binade of every value, not the value. Scaling by 2^k moves each value by k binades exactly, so
// all counts below are exact except in the one binade that holds a rounding threshold:
//   * underflow: values up to and including 2^t (t = -25 in fp16) round to zero. Binades below t underflow whole.
//     Binade t itself, [2^t, 2^(t+1)), holds a single value that underflows, 2^t; it is counted as surviving.
//   * subnormal: the topmost sliver of the last subnormal binade rounds up to the smallest normal; it is counted as
//     subnormal.
//   * overflow: in the format's highest binade only the topmost sliver overflows (65520 and above of [32768, 65536) in
//     fp16). The recorded amax decides: when it passes the threshold at least that one value overflows and one is
//     counted, else none. Binades above overflow whole.
// fp32 subnormals share bin 0 and are taken for 2^-127, the highest they can be (they matter to bf16 alone).
#pragma once

#include "emulation/number/format.h"
#include "emulation/number/range_statistics.h"

#include <array>
#include <cstdint>

namespace halfscope::analysis {

using Exponents = std::array<std::uint64_t, 256>;

struct WhatIf {
    std::uint64_t values = 0;     ///< finite and non-zero
    std::uint64_t underflows = 0; ///< would become zero
    std::uint64_t subnormals = 0; ///< would be stored as subnormals
    std::uint64_t overflows = 0;  ///< would pass the largest finite value
    /// The squared L2 norm of what underflows over that of everything. Each value counts with its binade's lower end
    /// squared: what that is too small by is the same factor in both (7/3 for values spread evenly over a binade).
    double lost_squares_share = 0;
};

/// `exponents` and `amax` (largest finite magnitude behind them) multiplied by 2^k and rounded to `format`.
[[nodiscard]] WhatIf what_if(const Exponents &exponents, double amax, const number::Format &format, int k);

/// Adds `from`, multiplied by 2^k, to `to`. Values that leave fp32's range are gathered in the outermost bins.
void add_shifted(Exponents &to, const Exponents &from, int k);

/// Number of values behind a histogram.
[[nodiscard]] std::uint64_t total(const Exponents &exponents);

} // namespace halfscope::analysis
