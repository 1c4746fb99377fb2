// The product engine under matmul and convolution: packs operands to the compute type C and runs register tiles.
// Every element of a result is one chain over k, ascending, from +0 (or from the value of an earlier stretch of the
// same chain, or from a given accumulator): tiles, panels, k-blocks, threads and SIMD width only choose which chains
// run side by side. Block structure after Goto and van de Geijn, "Anatomy of high-performance matrix multiplication",
// TOMS 34 (2008).
//
// The exception is NaN: which NaN an invalid operation leaves (sign, payload) is not defined, as x86 and GPUs differ.
#pragma once

#include "emulation/ops/operation.h"

#include <cstddef>
#include <cstdint>

namespace halfscope::ops {

/// A matrix where it is stored: element (row, column) lies at data + row * row_stride + column * column_stride
/// elements. One of the strides is 1.
struct StoredMatrix {
    const void *data = nullptr;
    DType dtype = DType::fp32;
    std::int64_t row_stride = 0, column_stride = 0;

    [[nodiscard]] StoredMatrix from(std::int64_t row, std::int64_t column) const {
        const auto elements = static_cast<std::size_t>(row * row_stride + column * column_stride);
        return {static_cast<const std::byte *>(data) + elements * size_of(dtype), dtype, row_stride, column_stride};
    }
};

/// Columns of a register tile at the SIMD level in use: packed right operands come in panels of this width.
template <typename C> [[nodiscard]] std::int64_t panel_width();
template <typename C> [[nodiscard]] std::int64_t panels_of(std::int64_t columns) {
    return (columns + panel_width<C>() - 1) / panel_width<C>();
}
/// Elements of a packed [depth, columns] right operand.
template <typename C> [[nodiscard]] std::int64_t packed_elements(std::int64_t depth, std::int64_t columns) {
    return panels_of<C>(columns) * panel_width<C>() * depth;
}

/// Packs panels [first_panel, last_panel) of the [depth, columns] matrix b: panel p at packed + p * width * depth, in
/// it k-major rows of `width` elements, zero beyond the last column.
template <typename C>
void pack_columns(const StoredMatrix &b, std::int64_t depth, std::int64_t columns, std::int64_t first_panel,
                  std::int64_t last_panel, C *packed);

/// out[i, j] = chain over k of a[i, k] * b[k, j], for `rows` rows of a and the panels [first_panel, last_panel) of b,
/// packed as above. `out` points at (first row, column 0) of a row-major result with `stride` elements a row. Chains
/// start from +0, or with `onto` from what `out` holds. Operands must be those the accumulation takes.
template <typename C>
void multiply_packed(Accumulation accumulation, const StoredMatrix &a, std::int64_t rows, std::int64_t depth,
                     const C *packed, std::int64_t columns, std::int64_t first_panel, std::int64_t last_panel, C *out,
                     std::int64_t stride, bool onto);

} // namespace halfscope::ops
