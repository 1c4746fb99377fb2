// Window geometry of pooling: operands [N, C, spatial...] with 1 to 3 spatial axes, seen as planes of depths, rows and
// columns.
#pragma once

#include "emulation/ops/kernel_call.h"

#include <algorithm>
#include <cstdint>

namespace halfscope::ops::pooling {

/// One spatial axis. Tap k of output position o reads input position o * stride - pad + k * dilation.
struct WindowAxis {
    std::int64_t input = 1, output = 1, kernel = 1, stride = 1, dilation = 1, pad_begin = 0;
    std::int64_t counted_end = 1; ///< first position past the padding that count_include_pad counts

    [[nodiscard]] constexpr std::int64_t position(std::int64_t out, std::int64_t tap) const {
        return out * stride - pad_begin + tap * dilation;
    }
    /// Taps [first_tap, last_tap) lie inside the input.
    [[nodiscard]] constexpr std::int64_t first_tap(std::int64_t out) const {
        const std::int64_t start = position(out, 0);
        return start >= 0 ? 0 : std::min(kernel, (-start + dilation - 1) / dilation);
    }
    [[nodiscard]] constexpr std::int64_t last_tap(std::int64_t out) const { return taps_before(out, input); }
    /// Whether input position `at` is a tap of output position `out`.
    [[nodiscard]] constexpr bool reaches(std::int64_t out, std::int64_t at) const {
        const std::int64_t distance = at - position(out, 0);
        return distance >= 0 && distance % dilation == 0 && distance / dilation < kernel;
    }
    /// Output positions [first_reaching, last_reaching) are those that may have input position `at` as a tap.
    [[nodiscard]] constexpr std::int64_t first_reaching(std::int64_t at) const {
        const std::int64_t beyond = at + pad_begin - (kernel - 1) * dilation;
        return beyond <= 0 ? 0 : (beyond + stride - 1) / stride;
    }
    [[nodiscard]] constexpr std::int64_t last_reaching(std::int64_t at) const {
        return std::min(output, (at + pad_begin) / stride + 1);
    }
    /// Taps inside the input and the counted padding (the leading padding always counts).
    [[nodiscard]] constexpr std::int64_t counted_taps(std::int64_t out) const { return taps_before(out, counted_end); }

  private:
    [[nodiscard]] constexpr std::int64_t taps_before(std::int64_t out, std::int64_t limit) const {
        const std::int64_t room = limit - position(out, 0);
        return room <= 0 ? 0 : std::min(kernel, (room + dilation - 1) / dilation);
    }
};

struct Windows {
    std::int64_t planes = 0; ///< N * C
    WindowAxis depths, rows, columns;

    [[nodiscard]] constexpr std::int64_t input_plane() const { return depths.input * rows.input * columns.input; }
    [[nodiscard]] constexpr std::int64_t output_plane() const { return depths.output * rows.output * columns.output; }
};

/// Geometry of a pooling of `input` to `output` (for a gradient: of dx's shape and dy's); rejects what does not fit.
[[nodiscard]] Windows windows_of(const KernelCall &call, const Shape &input, const Shape &output);

} // namespace halfscope::ops::pooling
