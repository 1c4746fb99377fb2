// The independent judge of scalar arithmetic: exact rationals of Boost.Multiprecision, rounded by searching the sorted
// list of every value a format has. It includes nothing of ours: formats are described here again, by their IEEE
// parameters.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace oracle {

using Integer = boost::multiprecision::cpp_int;

/// numerator / denominator, denominator > 0, not reduced.
struct Rational {
    Integer numerator = 0;
    Integer denominator = 1;

    [[nodiscard]] int sign() const { return numerator.sign(); }
};
inline Rational operator+(const Rational &a, const Rational &b) {
    return {a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator};
}
inline Rational operator-(const Rational &a, const Rational &b) {
    return {a.numerator * b.denominator - b.numerator * a.denominator, a.denominator * b.denominator};
}
inline Rational operator*(const Rational &a, const Rational &b) {
    return {a.numerator * b.numerator, a.denominator * b.denominator};
}
inline Rational operator/(const Rational &a, const Rational &b) {
    Rational q{a.numerator * b.denominator, a.denominator * b.numerator};
    if (q.denominator < 0) {
        q.numerator = -q.numerator;
        q.denominator = -q.denominator;
    }
    return q;
}

enum class Mode { near_even, near_away, zero, up, down };
constexpr Mode all_modes[] = {Mode::near_even, Mode::near_away, Mode::zero, Mode::up, Mode::down};

enum Flag : unsigned { inexact = 1, underflow = 2, overflow = 4, infinite = 8, invalid = 16 };

struct Rounded {
    std::uint64_t bits = 0;
    unsigned flags = 0;
};

/// An IEEE interchange format: sign, `exponent_bits`, `fraction_bits`.
class BinaryFormat {
  public:
    BinaryFormat(int exponent_bits, int fraction_bits) : exponent_bits_(exponent_bits), fraction_bits_(fraction_bits) {
        bias_ = (1 << (exponent_bits - 1)) - 1;
        unit_ = bias_ - 1 + fraction_bits; // every value is a multiple of 2^-unit_
    }

    [[nodiscard]] std::uint64_t sign_mask() const { return std::uint64_t{1} << (exponent_bits_ + fraction_bits_); }
    [[nodiscard]] std::uint64_t infinity() const {
        return ((std::uint64_t{1} << exponent_bits_) - 1) << fraction_bits_;
    }
    [[nodiscard]] bool is_nan(std::uint64_t bits) const { return (bits & ~sign_mask()) > infinity(); }
    [[nodiscard]] bool is_signaling(std::uint64_t bits) const {
        return is_nan(bits) && !((bits >> (fraction_bits_ - 1)) & 1);
    }
    [[nodiscard]] bool is_infinite(std::uint64_t bits) const { return (bits & ~sign_mask()) == infinity(); }
    [[nodiscard]] bool is_finite(std::uint64_t bits) const { return (bits & ~sign_mask()) < infinity(); }
    [[nodiscard]] bool is_negative(std::uint64_t bits) const { return (bits & sign_mask()) != 0; }

    /// |value| of a finite encoding in units of 2^-unit_; also defined for the code of infinity, as the value that
    /// would follow the largest finite one.
    [[nodiscard]] Integer units(std::uint64_t magnitude) const {
        const std::uint64_t field = magnitude >> fraction_bits_;
        const std::uint64_t fraction = magnitude & ((std::uint64_t{1} << fraction_bits_) - 1);
        if (field == 0) return fraction;
        return Integer((std::uint64_t{1} << fraction_bits_) + fraction) << static_cast<unsigned>(field - 1);
    }

    [[nodiscard]] Rational value(std::uint64_t bits) const {
        Rational r{units(bits & ~sign_mask()), Integer(1) << static_cast<unsigned>(unit_)};
        if (is_negative(bits)) r.numerator = -r.numerator;
        return r;
    }

    /// Rounds a non-zero exact value. Underflow is raised when the result is inexact and tiny: `tiny_before` decides
    /// whether the exact value is compared with the smallest normal, or its rounding with unlimited exponents.
    [[nodiscard]] Rounded round(const Rational &exact, Mode mode, bool tiny_before = false) const {
        const bool negative = exact.sign() < 0;
        const Integer n = abs(exact.numerator) << static_cast<unsigned>(unit_); // |exact| in units is n / d
        const Integer &d = exact.denominator;
        const auto at_most = [&](std::uint64_t magnitude) { return units(magnitude) * d <= n; };
        // Largest magnitude code, up to that of infinity, whose value does not exceed |exact|: binary search.
        std::uint64_t low = 0, high = infinity();
        while (low < high) {
            const std::uint64_t middle = low + (high - low + 1) / 2;
            if (at_most(middle))
                low = middle;
            else
                high = middle - 1;
        }
        Rounded result;
        const std::uint64_t sign = negative ? sign_mask() : 0;
        const bool away = mode == Mode::up ? !negative : mode == Mode::down ? negative : false;
        if (low == infinity()) { // beyond every finite value by at least half an ulp
            const bool to_infinity = mode == Mode::near_even || mode == Mode::near_away || away;
            return {sign | (to_infinity ? infinity() : infinity() - 1), overflow | inexact};
        }
        std::uint64_t code = low;
        const Integer below = n - units(low) * d;
        if (below != 0) {
            const Integer above = units(low + 1) * d - n;
            result.flags |= inexact;
            const bool nearer_above = below > above || (below == above && (mode == Mode::near_away || (low & 1)));
            if (away || ((mode == Mode::near_even || mode == Mode::near_away) && nearer_above)) ++code;
            if (code == infinity()) result.flags |= overflow;
            if (is_tiny(n, d, negative, mode, tiny_before)) result.flags |= underflow;
        }
        result.bits = sign | code;
        return result;
    }

  private:
    [[nodiscard]] bool is_tiny(const Integer &n, const Integer &d, bool negative, Mode mode, bool before) const {
        const Integer smallest_normal = Integer(1) << static_cast<unsigned>(fraction_bits_); // in units
        if (n >= smallest_normal * d) return false;
        if (before) return true;
        // With unlimited exponents the binade below the smallest normal has half the spacing: the values just below it
        // round up to it from above its last half-unit's midpoint (or at once, when rounding away).
        const Integer gap2 = (smallest_normal * d - n) * 4; // distance to it in quarter units
        switch (mode) {
        case Mode::near_even:
        case Mode::near_away: return gap2 > d; // a tie, one quarter below, goes up: the normal is even, and away
        case Mode::up: return negative || gap2 >= 2 * d;
        case Mode::down: return !negative || gap2 >= 2 * d;
        case Mode::zero: return true;
        }
        return true;
    }

    int exponent_bits_, fraction_bits_, bias_ = 0, unit_ = 0;
};

/// floor(sqrt(value)) of the exact value, as a rational so finely cut that rounding it like the root is right: the root
/// is taken to 2^-precision_bits, and one more unit is added below when it was not exact.
inline Rational square_root(const Rational &value, unsigned precision_bits) {
    const Integer scaled = (value.numerator << (2 * precision_bits)) / value.denominator;
    const bool cut = (scaled * value.denominator) != (value.numerator << (2 * precision_bits));
    Integer rest;
    const Integer root = boost::multiprecision::sqrt(scaled, rest);
    Rational result{root * 4, Integer(4) << precision_bits};
    if (rest != 0 || cut) result.numerator += 1;
    return result;
}

/// value rounded to an integer.
inline Integer to_integer(const Rational &value, Mode mode, bool &changed) {
    const bool negative = value.sign() < 0;
    Integer quotient, rest;
    divide_qr(Integer(abs(value.numerator)), value.denominator, quotient, rest);
    changed = rest != 0;
    const Integer twice = rest * 2;
    bool away = false;
    switch (mode) {
    case Mode::near_even:
        away = twice > value.denominator || (twice == value.denominator && bit_test(quotient, 0));
        break;
    case Mode::near_away: away = twice >= value.denominator; break;
    case Mode::zero: break;
    case Mode::up: away = changed && !negative; break;
    case Mode::down: away = changed && negative; break;
    }
    if (away) ++quotient;
    return negative ? Integer(-quotient) : quotient;
}

} // namespace oracle
