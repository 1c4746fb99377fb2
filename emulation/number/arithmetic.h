// Scalar IEEE 754 arithmetic on encodings of any format: each operation computes exactly (or with a sticky bit) and
// rounds once.
//
// NaN operands: the result is the first NaN operand, quieted; a signaling one raises invalid. Invalid operations give
// default_nan. Operand subnormals are never flushed.
#pragma once

#include "emulation/number/round.h"

namespace halfscope::number {

[[nodiscard]] constexpr Result add(const Format &f, std::uint64_t a, std::uint64_t b, const RoundingMode &mode = {});
[[nodiscard]] constexpr Result subtract(const Format &f, std::uint64_t a, std::uint64_t b,
                                        const RoundingMode &mode = {});
[[nodiscard]] constexpr Result multiply(const Format &f, std::uint64_t a, std::uint64_t b,
                                        const RoundingMode &mode = {});
[[nodiscard]] constexpr Result divide(const Format &f, std::uint64_t a, std::uint64_t b, const RoundingMode &mode = {});
/// a * b + c, rounded once. inf * 0 is invalid even when c is NaN.
[[nodiscard]] constexpr Result fused_multiply_add(const Format &f, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                                  const RoundingMode &mode = {});
[[nodiscard]] constexpr Result square_root(const Format &f, std::uint64_t a, const RoundingMode &mode = {});
/// IEEE remainder: a - n * b with n the integer nearest a / b, ties to even. Always exact; a zero result has a's sign.
[[nodiscard]] constexpr Result remainder(const Format &f, std::uint64_t a, std::uint64_t b);

namespace detail {

[[nodiscard]] constexpr Result propagate_nan(const Format &f, const Unpacked &a, std::uint64_t a_bits,
                                             const Unpacked &b, std::uint64_t b_bits) {
    const bool signaling = a.kind == Kind::signaling_nan || b.kind == Kind::signaling_nan;
    return {quieted(f, a.is_nan() ? a_bits : b_bits), signaling ? invalid : exact};
}

/// x + y for finite non-zero magnitudes given as significand * 2^exponent with significands far narrower than the word
/// (at most half of it less a few bits). Exact when the terms overlap; else the far smaller one becomes the sticky bit.
template <class Word>
[[nodiscard]] constexpr Result add_exact(const Format &f, bool negative_x, int exponent_x, Word x, bool negative_y,
                                         int exponent_y, Word y, const RoundingMode &mode) {
    constexpr int word_bits = static_cast<int>(sizeof(Word) * 8);
    // The larger magnitude first, moved up so that its top bit is the word's third: one bit for the carry, one to
    // spare.
    if (exponent_x + bit_width(x) < exponent_y + bit_width(y)) {
        const auto x_old = x;
        x = y;
        y = x_old;
        const int exponent_old = exponent_x;
        exponent_x = exponent_y;
        exponent_y = exponent_old;
        const bool negative_old = negative_x;
        negative_x = negative_y;
        negative_y = negative_old;
    }
    const int lift = word_bits - 3 - bit_width(x);
    x <<= lift;
    exponent_x -= lift;
    const int shift = exponent_x - exponent_y; // y is aligned by moving it down this far (up when negative)
    bool sticky = false;
    if (shift > 0) {
        if (shift >= word_bits) {
            sticky = true;
            y = 0;
        } else {
            sticky = (y & ((Word{1} << shift) - 1)) != 0;
            y >>= shift;
        }
    } else {
        y <<= -shift;
    }
    Exact<Word> sum{negative_x, exponent_x, 0, sticky};
    if (negative_x == negative_y) {
        sum.significand = x + y;
    } else if (sticky) {
        // x - (y + s) = (x - y - 1) + (1 - s), and 1 - s is again strictly between 0 and 1.
        sum.significand = x - y - 1;
    } else if (x >= y) {
        sum.significand = x - y;
    } else {
        sum.significand = y - x;
        sum.negative = negative_y;
    }
    if (sum.significand == 0 && !sticky) return {zero(f, mode.rounding == Rounding::down), exact};
    return round(f, sum, mode);
}

template <class Word>
[[nodiscard]] constexpr Result add_in(const Format &f, const Unpacked &a, const Unpacked &b, const RoundingMode &mode) {
    return add_exact<Word>(f, a.negative, a.exponent, a.significand, b.negative, b.exponent, b.significand, mode);
}

/// Integer square root, floor, and whether it is exact.
template <class Word> [[nodiscard]] constexpr Word integer_square_root(Word value, bool &is_exact) {
    Word root = 0;
    Word bit = Word{1} << ((bit_width(value) - 1) / 2 * 2);
    while (bit != 0) {
        if (value >= root + bit) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
        bit >>= 2;
    }
    is_exact = value == 0;
    return root;
}

} // namespace detail

constexpr Result add(const Format &f, std::uint64_t a_bits, std::uint64_t b_bits, const RoundingMode &mode) {
    const Unpacked a = unpack(f, a_bits);
    const Unpacked b = unpack(f, b_bits);
    if (a.is_nan() || b.is_nan()) return detail::propagate_nan(f, a, a_bits, b, b_bits);
    if (a.kind == Kind::infinity) {
        if (b.kind == Kind::infinity && a.negative != b.negative) return {default_nan(f), invalid};
        return {a_bits, exact};
    }
    if (b.kind == Kind::infinity) return {b_bits, exact};
    if (a.kind == Kind::zero && b.kind == Kind::zero) {
        if (a.negative == b.negative) return {a_bits, exact};
        return {zero(f, mode.rounding == Rounding::down), exact};
    }
    if (a.kind == Kind::zero || b.kind == Kind::zero) {
        const Unpacked &other = a.kind == Kind::zero ? b : a;
        return round(f, Exact<std::uint64_t>{other.negative, other.exponent, other.significand, false}, mode);
    }
    return f.precision <= 24 ? detail::add_in<std::uint64_t>(f, a, b, mode) : detail::add_in<Wide>(f, a, b, mode);
}

constexpr Result subtract(const Format &f, std::uint64_t a, std::uint64_t b, const RoundingMode &mode) {
    if (unpack(f, b).is_nan()) return add(f, a, b, mode); // a NaN keeps its sign
    return add(f, a, b ^ sign_bit(f, true), mode);
}

constexpr Result multiply(const Format &f, std::uint64_t a_bits, std::uint64_t b_bits, const RoundingMode &mode) {
    const Unpacked a = unpack(f, a_bits);
    const Unpacked b = unpack(f, b_bits);
    if (a.is_nan() || b.is_nan()) return detail::propagate_nan(f, a, a_bits, b, b_bits);
    const bool negative = a.negative != b.negative;
    if (a.kind == Kind::infinity || b.kind == Kind::infinity) {
        if (a.kind == Kind::zero || b.kind == Kind::zero) return {default_nan(f), invalid};
        return {infinity(f, negative), exact};
    }
    if (a.kind == Kind::zero || b.kind == Kind::zero) return {zero(f, negative), exact};
    if (f.precision <= 24)
        return round(f, Exact<std::uint64_t>{negative, a.exponent + b.exponent, a.significand * b.significand, false},
                     mode);
    return round(f, Exact<Wide>{negative, a.exponent + b.exponent, Wide{a.significand} * b.significand, false}, mode);
}

constexpr Result divide(const Format &f, std::uint64_t a_bits, std::uint64_t b_bits, const RoundingMode &mode) {
    const Unpacked a = unpack(f, a_bits);
    const Unpacked b = unpack(f, b_bits);
    if (a.is_nan() || b.is_nan()) return detail::propagate_nan(f, a, a_bits, b, b_bits);
    const bool negative = a.negative != b.negative;
    if (a.kind == Kind::infinity) {
        if (b.kind == Kind::infinity) return {default_nan(f), invalid};
        return {infinity(f, negative), exact};
    }
    if (b.kind == Kind::infinity) return {zero(f, negative), exact};
    if (b.kind == Kind::zero) {
        if (a.kind == Kind::zero) return {default_nan(f), invalid};
        return {infinity(f, negative), divide_by_zero};
    }
    if (a.kind == Kind::zero) return {zero(f, negative), exact};
    // The dividend is moved up until the quotient has two bits more than the precision.
    const int lift = f.precision + 2 + bit_width(b.significand) - bit_width(a.significand);
    const int up = lift > 0 ? lift : 0;
    if (f.precision <= 24) {
        const std::uint64_t numerator = a.significand << up;
        return round(f,
                     Exact<std::uint64_t>{negative, a.exponent - b.exponent - up, numerator / b.significand,
                                          numerator % b.significand != 0},
                     mode);
    }
    const Wide numerator = Wide{a.significand} << up;
    return round(
        f,
        Exact<Wide>{negative, a.exponent - b.exponent - up, numerator / b.significand, numerator % b.significand != 0},
        mode);
}

constexpr Result fused_multiply_add(const Format &f, std::uint64_t a_bits, std::uint64_t b_bits, std::uint64_t c_bits,
                                    const RoundingMode &mode) {
    const Unpacked a = unpack(f, a_bits);
    const Unpacked b = unpack(f, b_bits);
    const Unpacked c = unpack(f, c_bits);
    const bool infinite_product = a.kind == Kind::infinity || b.kind == Kind::infinity;
    const bool zero_product = a.kind == Kind::zero || b.kind == Kind::zero;
    if (a.is_nan() || b.is_nan()) {
        Result nan = detail::propagate_nan(f, a, a_bits, b, b_bits);
        if (c.kind == Kind::signaling_nan) nan.status = invalid;
        return nan;
    }
    if (infinite_product && zero_product) return {c.is_nan() ? quieted(f, c_bits) : default_nan(f), invalid};
    if (c.is_nan()) return {quieted(f, c_bits), c.kind == Kind::signaling_nan ? invalid : exact};
    const bool negative = a.negative != b.negative;
    if (infinite_product) {
        if (c.kind == Kind::infinity && c.negative != negative) return {default_nan(f), invalid};
        return {infinity(f, negative), exact};
    }
    if (c.kind == Kind::infinity) return {c_bits, exact};
    if (zero_product) {
        if (c.kind != Kind::zero)
            return round(f, Exact<std::uint64_t>{c.negative, c.exponent, c.significand, false}, mode);
        if (c.negative == negative) return {c_bits, exact};
        return {zero(f, mode.rounding == Rounding::down), exact};
    }
    const int exponent = a.exponent + b.exponent;
    if (f.precision <= 24) {
        const std::uint64_t product = a.significand * b.significand;
        if (c.kind == Kind::zero) return round(f, Exact<std::uint64_t>{negative, exponent, product, false}, mode);
        return detail::add_exact<std::uint64_t>(f, negative, exponent, product, c.negative, c.exponent, c.significand,
                                                mode);
    }
    const Wide product = Wide{a.significand} * b.significand;
    if (c.kind == Kind::zero) return round(f, Exact<Wide>{negative, exponent, product, false}, mode);
    return detail::add_exact<Wide>(f, negative, exponent, product, c.negative, c.exponent, Wide{c.significand}, mode);
}

constexpr Result square_root(const Format &f, std::uint64_t a_bits, const RoundingMode &mode) {
    const Unpacked a = unpack(f, a_bits);
    if (a.is_nan()) return detail::propagate_nan(f, a, a_bits, a, a_bits);
    if (a.kind == Kind::zero) return {a_bits, exact};
    if (a.negative) return {default_nan(f), invalid};
    if (a.kind == Kind::infinity) return {a_bits, exact};
    // The radicand is moved up to an even exponent and 2 * (precision + 2) bits, so that the root has precision + 2.
    int up = 2 * (f.precision + 2) - bit_width(a.significand);
    if ((a.exponent - up) % 2 != 0) ++up;
    bool is_exact = false;
    if (f.precision <= 24) {
        const std::uint64_t root = detail::integer_square_root(a.significand << up, is_exact);
        return round(f, Exact<std::uint64_t>{false, (a.exponent - up) / 2, root, !is_exact}, mode);
    }
    const Wide root = detail::integer_square_root(Wide{a.significand} << up, is_exact);
    return round(f, Exact<Wide>{false, (a.exponent - up) / 2, root, !is_exact}, mode);
}

constexpr Result remainder(const Format &f, std::uint64_t a_bits, std::uint64_t b_bits) {
    const Unpacked a = unpack(f, a_bits);
    const Unpacked b = unpack(f, b_bits);
    if (a.is_nan() || b.is_nan()) return detail::propagate_nan(f, a, a_bits, b, b_bits);
    if (a.kind == Kind::infinity || b.kind == Kind::zero) return {default_nan(f), invalid};
    if (b.kind == Kind::infinity || a.kind == Kind::zero) return {a_bits, exact};
    // |a| < |b| / 2 leaves a as it is; compared by the position of the top bits first.
    if (a.exponent + bit_width(a.significand) + 1 < b.exponent + bit_width(b.significand)) return {a_bits, exact};
    // Long division of a by b, both in units of the smaller exponent; only the last quotient bit is needed.
    std::uint64_t divisor = b.significand;
    int exponent = b.exponent;
    std::uint64_t rest = a.significand;
    bool odd = false;
    if (a.exponent >= b.exponent) {
        odd = (rest / divisor) & 1;
        rest %= divisor;
        for (int step = a.exponent - b.exponent; step > 0; --step) {
            rest <<= 1;
            odd = rest >= divisor;
            if (odd) rest -= divisor;
        }
    } else {
        divisor <<= b.exponent - a.exponent; // at most the precision plus two: the quick test above
        exponent = a.exponent;
        odd = (rest / divisor) & 1;
        rest %= divisor;
    }
    const std::uint64_t other = divisor - rest; // the distance to the next multiple
    bool negative = a.negative;
    if (rest > other || (rest == other && odd)) {
        rest = other;
        negative = !negative;
    }
    if (rest == 0) return {zero(f, a.negative), exact};
    return round(f, Exact<std::uint64_t>{negative, exponent, rest, false}, RoundingMode{});
}

} // namespace halfscope::number
