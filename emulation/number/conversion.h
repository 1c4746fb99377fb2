// Conversions between formats, and between formats and integers. Each rounds once.
#pragma once

#include "emulation/number/round.h"

#include <limits>
#include <type_traits>

namespace halfscope::number {

/// NaN keeps its sign and the leading bits of its payload, and becomes quiet.
[[nodiscard]] constexpr Result convert(const Format &from, std::uint64_t bits, const Format &to,
                                       const RoundingMode &mode = {}) {
    const Unpacked u = unpack(from, bits);
    switch (u.kind) {
    case Kind::zero: return {zero(to, u.negative), exact};
    case Kind::infinity:
        if (to.non_finite == NonFinite::nan_only && mode.saturate) return {max_finite(to, u.negative), exact};
        return {infinity(to, u.negative), exact};
    case Kind::quiet_nan:
    case Kind::signaling_nan: {
        const Status status = u.kind == Kind::signaling_nan ? invalid : exact;
        if (to.non_finite == NonFinite::nan_only) return {infinity(to, u.negative), status};
        const std::uint64_t payload = ((bits >> from.padding_bits()) & ones(from.precision - 1));
        const int up = to.precision - from.precision;
        const std::uint64_t moved = up >= 0 ? payload << up : payload >> -up;
        return {quieted(to, encode(to, u.negative, ones(to.exponent_bits), moved)), status};
    }
    case Kind::finite: break;
    }
    return round(to, Exact<std::uint64_t>{u.negative, u.exponent, u.significand, false}, mode);
}

template <class Integer>
[[nodiscard]] constexpr Result from_integer(Integer value, const Format &to, const RoundingMode &mode = {}) {
    if (value == 0) return {zero(to, false), exact};
    bool negative = false;
    auto magnitude = static_cast<std::uint64_t>(value);
    if constexpr (std::is_signed_v<Integer>) {
        negative = value < 0;
        if (negative) magnitude = 0 - static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
    }
    return round(to, Exact<std::uint64_t>{negative, 0, magnitude, false}, mode);
}

/// Whether rounding to an integer that changes the value raises inexact.
enum class Exactness : std::uint8_t { silent, signal_inexact };

namespace detail {

/// |value| rounded to an integer; saturates at 2^65 or more as `huge`.
struct IntegerPart {
    std::uint64_t magnitude = 0;
    bool huge = false;
    bool inexact = false;
};

[[nodiscard]] constexpr IntegerPart integer_part(const Unpacked &u, const RoundingMode &mode) {
    if (u.exponent >= 0) {
        if (u.exponent + bit_width(u.significand) > 64) return {0, true, false};
        return {u.significand << u.exponent, false, false};
    }
    const auto cut_value = cut(Exact<std::uint64_t>{u.negative, u.exponent, u.significand, false}, 0, mode);
    return {cut_value.kept + (cut_value.up ? 1 : 0), false, cut_value.inexact};
}

} // namespace detail

/// Out of range and NaN are invalid and give the nearest end of the range (NaN: the largest value).
template <class Integer>
[[nodiscard]] constexpr Result to_integer(const Format &from, std::uint64_t bits, const RoundingMode &mode = {},
                                          Exactness exactness = Exactness::silent) {
    using Limits = std::numeric_limits<Integer>;
    const auto result = [](Integer value, Status status) {
        return Result{static_cast<std::uint64_t>(static_cast<std::make_unsigned_t<Integer>>(value)), status};
    };
    const Unpacked u = unpack(from, bits);
    if (u.is_nan()) return result(Limits::max(), invalid);
    if (u.kind == Kind::zero) return result(0, exact);
    const auto edge = u.negative ? Limits::min() : Limits::max();
    if (u.kind == Kind::infinity) return result(edge, invalid);
    const auto part = detail::integer_part(u, mode);
    const auto limit = u.negative ? 0 - static_cast<std::uint64_t>(static_cast<std::int64_t>(Limits::min()))
                                  : static_cast<std::uint64_t>(Limits::max());
    if (part.huge || part.magnitude > limit) return result(edge, invalid);
    const Status status = part.inexact && exactness == Exactness::signal_inexact ? inexact : exact;
    return result(static_cast<Integer>(u.negative ? 0 - part.magnitude : part.magnitude), status);
}

/// The integral value in the same format; a zero result keeps the operand's sign.
[[nodiscard]] constexpr Result round_to_integral(const Format &f, std::uint64_t bits, const RoundingMode &mode = {},
                                                 Exactness exactness = Exactness::silent) {
    const Unpacked u = unpack(f, bits);
    if (u.is_nan()) return {quieted(f, bits), u.kind == Kind::signaling_nan ? invalid : exact};
    if (u.kind != Kind::finite || u.exponent >= 0) return {bits, exact};
    const auto part = detail::integer_part(u, mode);
    const Status status = part.inexact && exactness == Exactness::signal_inexact ? inexact : exact;
    if (part.magnitude == 0) return {zero(f, u.negative), status};
    const Result integral = round(f, Exact<std::uint64_t>{u.negative, 0, part.magnitude, false}, RoundingMode{});
    return {integral.bits, status};
}

} // namespace halfscope::number
