// IEEE 754 comparisons of two encodings of one format. A comparison with NaN is false.
#pragma once

#include "emulation/number/encoding.h"
#include "emulation/number/rounding.h"

namespace halfscope::number {

struct Truth {
    bool value = false;
    Status status = exact;
};

enum class NanSignal : std::uint8_t {
    quiet,     ///< only a signaling NaN raises invalid
    signaling, ///< every NaN does
};

namespace detail {

[[nodiscard]] constexpr bool unordered(const Unpacked &a, const Unpacked &b, NanSignal signal, Status &status) {
    if (!a.is_nan() && !b.is_nan()) return false;
    if (signal == NanSignal::signaling || a.kind == Kind::signaling_nan || b.kind == Kind::signaling_nan)
        status = invalid;
    return true;
}

/// Encodings as integers in the order of their values; both zeros are 0.
[[nodiscard]] constexpr std::int64_t order_key(const Format &f, std::uint64_t bits) {
    const auto magnitude = static_cast<std::int64_t>(bits & ones(f.storage_bits - 1));
    return (bits >> (f.storage_bits - 1)) & 1 ? -magnitude : magnitude;
}

} // namespace detail

[[nodiscard]] constexpr Truth equal(const Format &f, std::uint64_t a, std::uint64_t b,
                                    NanSignal signal = NanSignal::quiet) {
    Truth truth;
    if (!detail::unordered(unpack(f, a), unpack(f, b), signal, truth.status))
        truth.value = detail::order_key(f, a) == detail::order_key(f, b);
    return truth;
}

[[nodiscard]] constexpr Truth less(const Format &f, std::uint64_t a, std::uint64_t b,
                                   NanSignal signal = NanSignal::signaling) {
    Truth truth;
    if (!detail::unordered(unpack(f, a), unpack(f, b), signal, truth.status))
        truth.value = detail::order_key(f, a) < detail::order_key(f, b);
    return truth;
}

[[nodiscard]] constexpr Truth less_equal(const Format &f, std::uint64_t a, std::uint64_t b,
                                         NanSignal signal = NanSignal::signaling) {
    Truth truth;
    if (!detail::unordered(unpack(f, a), unpack(f, b), signal, truth.status))
        truth.value = detail::order_key(f, a) <= detail::order_key(f, b);
    return truth;
}

/// Distance in units in the last place: how many representable values lie between two non-NaN encodings, counting one
/// end. -0 and +0 coincide; infinity is the value after the largest finite one.
[[nodiscard]] constexpr std::uint64_t ulp_distance(const Format &f, std::uint64_t a, std::uint64_t b) {
    const std::int64_t x = detail::order_key(f, a) >> f.padding_bits();
    const std::int64_t y = detail::order_key(f, b) >> f.padding_bits();
    return x > y ? static_cast<std::uint64_t>(x) - static_cast<std::uint64_t>(y)
                 : static_cast<std::uint64_t>(y) - static_cast<std::uint64_t>(x);
}

} // namespace halfscope::number
