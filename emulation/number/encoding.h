// Taking an encoding apart: sign, exponent, significand, and the special values of a format.
#pragma once

#include "emulation/number/format.h"

#include <bit>
#include <cstdint>

namespace halfscope::number {

enum class Kind : std::uint8_t { zero, finite, infinity, quiet_nan, signaling_nan };

/// A decoded value. Finite ones are (-1)^negative * significand * 2^exponent, exactly; the significand is an integer
/// below 2^precision (not normalised for subnormals).
struct Unpacked {
    Kind kind = Kind::zero;
    bool negative = false;
    int exponent = 0;
    std::uint64_t significand = 0;

    [[nodiscard]] constexpr bool is_nan() const { return kind >= Kind::quiet_nan; }
};

[[nodiscard]] constexpr std::uint64_t ones(int bits) {
    return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}
[[nodiscard]] constexpr std::uint64_t sign_bit(const Format &f, bool negative) {
    return negative ? std::uint64_t{1} << (f.storage_bits - 1) : 0;
}

/// Encodes sign, biased exponent field and significand field (without the hidden bit).
[[nodiscard]] constexpr std::uint64_t encode(const Format &f, bool negative, std::uint64_t exponent_field,
                                             std::uint64_t significand_field) {
    return sign_bit(f, negative) | (((exponent_field << (f.precision - 1)) + significand_field) << f.padding_bits());
}

[[nodiscard]] constexpr std::uint64_t zero(const Format &f, bool negative) { return sign_bit(f, negative); }

/// Infinity; NaN in a format without infinities.
[[nodiscard]] constexpr std::uint64_t infinity(const Format &f, bool negative) {
    if (f.non_finite == NonFinite::nan_only) return encode(f, negative, ones(f.exponent_bits), ones(f.precision - 1));
    return encode(f, negative, ones(f.exponent_bits), 0);
}

[[nodiscard]] constexpr std::uint64_t max_finite(const Format &f, bool negative) {
    if (f.non_finite == NonFinite::nan_only)
        return encode(f, negative, ones(f.exponent_bits), ones(f.precision - 1) - 1);
    return encode(f, negative, ones(f.exponent_bits) - 1, ones(f.precision - 1));
}

/// The NaN that invalid operations make: positive, quiet, otherwise zero payload (all ones where that is the only NaN).
[[nodiscard]] constexpr std::uint64_t default_nan(const Format &f) {
    if (f.non_finite == NonFinite::nan_only) return infinity(f, false);
    return encode(f, false, ones(f.exponent_bits), std::uint64_t{1} << (f.precision - 2));
}

/// The same NaN, quiet.
[[nodiscard]] constexpr std::uint64_t quieted(const Format &f, std::uint64_t nan) {
    if (f.non_finite == NonFinite::nan_only) return nan;
    return nan | (std::uint64_t{1} << (f.precision - 2 + f.padding_bits()));
}

[[nodiscard]] constexpr Unpacked unpack(const Format &f, std::uint64_t bits) {
    const std::uint64_t magnitude = (bits & ones(f.storage_bits - 1)) >> f.padding_bits();
    const std::uint64_t fraction = magnitude & ones(f.precision - 1);
    const auto field = static_cast<int>(magnitude >> (f.precision - 1));
    Unpacked u;
    u.negative = (bits >> (f.storage_bits - 1)) & 1;
    const bool top = field == static_cast<int>(ones(f.exponent_bits));
    if (top && f.non_finite == NonFinite::ieee) {
        if (fraction == 0)
            u.kind = Kind::infinity;
        else
            u.kind = (fraction >> (f.precision - 2)) ? Kind::quiet_nan : Kind::signaling_nan;
    } else if (top && fraction == ones(f.precision - 1)) {
        u.kind = Kind::quiet_nan;
    } else if (field == 0) {
        u.kind = fraction ? Kind::finite : Kind::zero;
        u.significand = fraction;
        u.exponent = f.emin - (f.precision - 1);
    } else {
        u.kind = Kind::finite;
        u.significand = fraction | (std::uint64_t{1} << (f.precision - 1));
        u.exponent = field - f.bias() - (f.precision - 1);
    }
    return u;
}

} // namespace halfscope::number
