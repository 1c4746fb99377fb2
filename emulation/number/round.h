// The one rounder. Every operation makes an exact value, or one cut off below with a sticky bit, and comes here.
#pragma once

#include "emulation/number/encoding.h"
#include "emulation/number/rounding.h"

#include <bit>
#include <cstdint>

namespace halfscope::number {

__extension__ typedef unsigned __int128 Wide;

[[nodiscard]] constexpr int bit_width(Wide value) {
    const auto high = static_cast<std::uint64_t>(value >> 64);
    return high ? 64 + std::bit_width(high) : std::bit_width(static_cast<std::uint64_t>(value));
}
[[nodiscard]] constexpr int bit_width(std::uint64_t value) { return std::bit_width(value); }

/// The non-zero value (-1)^negative * (significand + s) * 2^exponent, where s is 0, or, with `sticky`, somewhere
/// strictly between 0 and 1. A sticky significand must have at least two bits more than the target's precision.
template <class Word> struct Exact {
    bool negative = false;
    int exponent = 0;
    Word significand = 0;
    bool sticky = false;
};

namespace detail {

/// Whether the magnitude goes up, given the kept part's last bit and the discarded part, a fraction of the kept part's
/// ulp: `discarded` / 2^`width`, plus less than one unit of it when `sticky`.
template <class Word>
[[nodiscard]] constexpr bool rounds_up(const RoundingMode &mode, bool negative, bool odd, Word discarded, int width,
                                       bool sticky) {
    if (discarded == 0 && !sticky) return false;
    // Discarded fraction against one half: width 0 means nothing but the sticky part is left, which is below half.
    const Word half = width > 0 ? Word{1} << (width - 1) : Word{0};
    const bool above = width > 0 && (discarded > half || (discarded == half && sticky));
    const bool tie = width > 0 && discarded == half && !sticky;
    switch (mode.rounding) {
    case Rounding::nearest_even: return above || (tie && odd);
    case Rounding::nearest_away: return above || tie;
    case Rounding::toward_zero: return false;
    case Rounding::up: return !negative;
    case Rounding::down: return negative;
    case Rounding::stochastic: {
        // The fraction's first 64 bits; `random` below them goes up, so the probability is the fraction cut to 64 bits.
        std::uint64_t fraction = 0;
        if (width > 64)
            fraction = static_cast<std::uint64_t>(discarded >> (width - 64));
        else if (width > 0)
            fraction = static_cast<std::uint64_t>(discarded) << (64 - width);
        return mode.random < fraction;
    }
    }
    return false;
}

template <class Word> struct Cut {
    Word kept = 0;
    bool up = false;
    bool inexact = false;
};

/// Cuts `value` at the bit of weight 2^lsb.
template <class Word>
[[nodiscard]] constexpr Cut<Word> cut(const Exact<Word> &value, int lsb, const RoundingMode &mode) {
    constexpr int word_bits = static_cast<int>(sizeof(Word) * 8);
    int shift = lsb - value.exponent;
    Word significand = value.significand;
    bool sticky = value.sticky;
    if (shift <= 0) return {significand << -shift, false, sticky};
    if (shift >= word_bits) {
        // Everything lies below half of the last kept bit, whose place is more than a word above: keep one bit for the
        // test.
        sticky = sticky || significand != 0;
        significand = 0;
        shift = 1;
        if (mode.rounding == Rounding::stochastic) sticky = false; // probability below 2^-63: never
    }
    const Word discarded = significand & ((Word{1} << shift) - 1);
    const Word kept = significand >> shift;
    const bool lost = discarded != 0 || sticky;
    return {kept, rounds_up(mode, value.negative, static_cast<bool>(kept & 1), discarded, shift, sticky), lost};
}

} // namespace detail

/// Rounds an exact non-zero value to `f`.
template <class Word>
[[nodiscard]] constexpr Result round(const Format &f, const Exact<Word> &value, const RoundingMode &mode) {
    const int top = value.exponent + bit_width(value.significand) - 1; // floor(log2 |value|)
    const bool below_normal = top < f.emin;
    const int lsb = (below_normal ? f.emin : top) - (f.precision - 1);
    const auto cut = detail::cut(value, lsb, mode);
    auto kept = static_cast<std::uint64_t>(cut.kept) + (cut.up ? 1 : 0);
    Status status = cut.inexact ? inexact : exact;

    int exponent = below_normal ? f.emin : top;
    if (kept >> f.precision) { // carried into the next binade
        kept >>= 1;
        ++exponent;
    }
    const bool subnormal = (kept >> (f.precision - 1)) == 0;
    if (below_normal && cut.inexact) {
        bool tiny = true;
        if (mode.tininess == Tininess::after_rounding && !subnormal) {
            // Reached the smallest normal: tiny only if it would stay below it with unlimited exponent range.
            const auto unbounded = detail::cut(value, top - (f.precision - 1), mode);
            tiny = ((unbounded.kept + (unbounded.up ? 1 : 0)) >> f.precision) == 0;
        }
        if (tiny) status = status | underflow;
    }
    if (subnormal) {
        if (mode.flush_subnormals && kept != 0) return {zero(f, value.negative), inexact | underflow};
        return {encode(f, value.negative, 0, kept), status};
    }
    const bool beyond_nan_only = f.non_finite == NonFinite::nan_only && exponent == f.emax && kept == ones(f.precision);
    if (exponent > f.emax || beyond_nan_only) {
        status = overflow | inexact;
        const bool stays = mode.saturate || mode.rounding == Rounding::toward_zero ||
                           (mode.rounding == Rounding::up && value.negative) ||
                           (mode.rounding == Rounding::down && !value.negative);
        return {stays ? max_finite(f, value.negative) : infinity(f, value.negative), status};
    }
    // The hidden bit carries into the exponent field.
    return {encode(f, value.negative, static_cast<std::uint64_t>(exponent + f.bias() - 1), kept), status};
}

} // namespace halfscope::number
