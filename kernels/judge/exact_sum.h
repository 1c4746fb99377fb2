// Sums of doubles without any rounding, after Kulisch: one long fixed-point number that every double fits into.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace halfscope::kernels::judge {

/// high + low, with low below half an ulp of high: an exact value to 2^-100 of itself, far below any error judged. An
/// infinite or undefined (inf - inf, 0 * inf, NaN operand) result has an infinite or NaN `high`.
struct ExactValue {
    double high = 0, low = 0;
};

/// value - exact, rounded to double. NaN when either is not finite.
[[nodiscard]] inline double error_of(double value, const ExactValue &exact) { return (value - exact.high) - exact.low; }

class ExactSum {
  public:
    /// Adds a double. Infinities and NaN follow IEEE 754 and stay.
    void add(double term) {
        const auto bits = std::bit_cast<std::uint64_t>(term);
        const auto field = static_cast<unsigned>(bits >> 52) & 0x7FFu;
        if (field == 0x7FF) {
            non_finite_ += term;
            return;
        }
        const std::uint64_t fraction = bits & ((std::uint64_t{1} << 52) - 1);
        const std::uint64_t significand = field == 0 ? fraction : fraction | (std::uint64_t{1} << 52);
        const unsigned position = field == 0 ? 0 : field - 1; // of the significand's last bit, from 2^-1074
        const unsigned limb = position / 32, shift = position % 32;
        const std::uint64_t low = (significand & 0xFFFFFFFFu) << shift, high = (significand >> 32) << shift;
        const auto sign = bits >> 63 ? std::int64_t{-1} : std::int64_t{1};
        limbs_[limb] += sign * static_cast<std::int64_t>(low & 0xFFFFFFFFu);
        limbs_[limb + 1] += sign * static_cast<std::int64_t>((low >> 32) + (high & 0xFFFFFFFFu));
        limbs_[limb + 2] += sign * static_cast<std::int64_t>(high >> 32);
        if (++added_ == most_added) carry();
    }

    /// The sum: zero of an empty one.
    [[nodiscard]] ExactValue value() const;

  private:
    // A limb grows by less than 2^33 an addition: 2^20 of them stay far inside an int64.
    static constexpr std::uint32_t most_added = std::uint32_t{1} << 20;
    void carry();

    std::array<std::int64_t, 68> limbs_{}; ///< weights 2^(32 i - 1074)
    std::uint32_t added_ = 0;
    double non_finite_ = 0;
};

} // namespace halfscope::kernels::judge
