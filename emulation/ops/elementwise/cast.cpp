#include "emulation/ops/elementwise/exact_results.h"
#include "emulation/ops/elementwise/operand.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace halfscope::ops::elementwise {
namespace {

/// Truncation toward zero; NaN gives 0, values beyond the range its nearest end.
template <typename C> std::int64_t to_integer(C value) {
    if (std::isnan(value)) return 0;
    if (value >= C(0x1p63)) return std::numeric_limits<std::int64_t>::max();
    if (value < C(-0x1p63)) return std::numeric_limits<std::int64_t>::min();
    return static_cast<std::int64_t>(value);
}

/// int64 to fp32 rounded to odd, so that the later rounding to 16 bits is the only one that matters.
float to_odd(std::int64_t value) {
    const auto nearest = static_cast<float>(value);
    if (std::fabs(nearest) >= 0x1p63f)
        return value == std::numeric_limits<std::int64_t>::min() ? nearest : 0x1.fffffep62f;
    const auto back = static_cast<std::int64_t>(nearest);
    auto bits = std::bit_cast<std::uint32_t>(nearest);
    if (back == value || (bits & 1)) return nearest;
    // Inexact and even: the other neighbour, on the side of `value`, is odd.
    const bool farther_from_zero = value > 0 ? value > back : value < back;
    bits += farther_from_zero ? 1u : ~0u;
    return std::bit_cast<float>(bits);
}

template <typename C> void to_floating(const KernelCall &call) {
    const TensorView &in = call.inputs[0];
    const bool through_odd = in.dtype == DType::int64 && is_16bit(call.outputs[0].dtype);
    produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *out) {
        if (through_odd) {
            for (std::int64_t i = 0; i < count; ++i)
                out[i] = static_cast<C>(to_odd(in.as<const std::int64_t>()[first + i]));
            return;
        }
        const C *loaded = load<C>(in, first, count, out);
        if (loaded != out) std::memcpy(out, loaded, static_cast<std::size_t>(count) * sizeof(C));
    });
}

template <typename T, typename Read> void to_exact(const KernelCall &call, Read read) {
    write_exact<T>(call, [&](std::int64_t first, std::int64_t count, T *out) {
        for (std::int64_t i = 0; i < count; ++i) out[i] = read(first + i);
    });
}

template <typename C> void from_floating(const KernelCall &call) {
    const auto convert = [&](auto *out, std::int64_t first, std::int64_t count, auto each) {
        alignas(64) C scratch[piece];
        for (std::int64_t done = 0; done < count; done += piece) {
            const std::int64_t part = std::min(piece, count - done);
            const C *values = load<C>(call.inputs[0], first + done, part, scratch);
            for (std::int64_t i = 0; i < part; ++i) out[done + i] = each(values[i]);
        }
    };
    if (call.outputs[0].dtype == DType::int64)
        write_exact<std::int64_t>(call, [&](std::int64_t first, std::int64_t count, std::int64_t *out) {
            convert(out, first, count, to_integer<C>);
        });
    else
        write_exact<std::uint8_t>(call, [&](std::int64_t first, std::int64_t count, std::uint8_t *out) {
            convert(out, first, count, [](C value) { return value != C(0); });
        });
}

void between_integers(const KernelCall &call) {
    const TensorView &in = call.inputs[0];
    const auto read = [in](std::int64_t i) {
        std::int64_t one = 0;
        return *load_integers(in, i, 1, &one);
    };
    if (call.outputs[0].dtype == DType::int64)
        to_exact<std::int64_t>(call, read);
    else
        to_exact<std::uint8_t>(call, [read](std::int64_t i) { return read(i) != 0; });
}

} // namespace

void run_cast(const KernelCall &call) {
    if (call.inputs[0].shape.elements() != call.outputs[0].shape.elements())
        call.reject("shape " + call.inputs[0].shape.text() + " cannot become " + call.outputs[0].shape.text());
    if (is_floating(call.outputs[0].dtype))
        return call.in_fp64() ? to_floating<double>(call) : to_floating<float>(call);
    if (!is_floating(call.inputs[0].dtype)) return between_integers(call);
    return call.in_fp64() ? from_floating<double>(call) : from_floating<float>(call);
}

} // namespace halfscope::ops::elementwise
