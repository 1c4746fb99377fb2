// Payne and Hanek's reduction, as large_angle.h says. Included inside a namespace in which the steps of scalar_steps.h
// and HALFSCOPE_INLINE are visible; includes nothing itself.

/// 32 bits, from bit `first` on, of the first 256 bits of 2/pi after the binary point, behind 32 zero bits: bit j (from
/// the left) weighs 2^(31 - j).
HALFSCOPE_INLINE std::uint64_t bits_of_two_over_pi(int first) {
    constexpr std::uint32_t two_over_pi[] = {0,          0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0,
                                             0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561};
    const int word = first / 32, inside = first % 32;
    const std::uint64_t pair = static_cast<std::uint64_t>(two_over_pi[word]) << 32 | two_over_pi[word + 1];
    return pair << inside >> 32;
}

HALFSCOPE_INLINE void large_angle_in_quadrants(float x, float &r, Word &quadrant) {
    const std::uint32_t bits = bits_of(x).bits;
    const int exponent = static_cast<int>(bits >> 23 & 255);
    if (exponent == 255) {
        r = from_bits(Word(0x7fc00000));
        return;
    }
    // |x| = significand * 2^scale with scale in [-7, 104]. Bits of 2/pi that weigh 2^(2 - scale) or more only add
    // multiples of 4 quadrants. The product, modulo 4, has 62 bits behind the point.
    const std::uint64_t significand = (bits & 0x7fffff) | 0x800000;
    const int first = 30 + exponent - 150;
    const std::uint64_t upper = bits_of_two_over_pi(first) << 32 | bits_of_two_over_pi(first + 32),
                        lower = bits_of_two_over_pi(first + 64);
    const std::uint64_t product = significand * upper + (significand * lower >> 32);
    const std::uint64_t nearest = (product + (std::uint64_t{1} << 61)) >> 62;
    const auto fraction = static_cast<std::int64_t>(product - (nearest << 62));
    const auto high = static_cast<float>(fraction);
    const auto low = static_cast<float>(fraction - static_cast<std::int64_t>(high));
    // pi/2 in two parts.
    const float magnitude = fused(high, 0x1.921fb6p+0f, fused(high, -0x1.777a5cp-25f, low * 0x1.921fb6p+0f));
    const bool negative = bits >> 31;
    r = (negative ? -magnitude : magnitude) * 0x1p-62f;
    const auto turns = static_cast<std::int32_t>(nearest & 3);
    quadrant = Word(negative ? -turns : turns);
}
