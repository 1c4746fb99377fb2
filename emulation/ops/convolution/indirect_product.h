// Products whose right operand is not a matrix but a window sliding over padded planes: the forward convolution and its
// input gradient; and whose left operand is: its weight gradient. Same chains and register tiles as matmul.
#pragma once

#include "emulation/ops/operation.h"

#include <cstdint>

namespace halfscope::ops {

/// out[row, pixel] = chain over k of a[row, k] * planes[base(pixel) + offsets[k]], then + bias[row].
/// Pixels are (sample, gy, gx) of a grid: base = sample * sample_stride + gy * pitch + gx.
template <typename C> struct WindowProduct {
    Accumulation accumulation = Accumulation::fma_chain;
    DType stored = DType::fp32; ///< of both operands before they were widened, for accumulations that take blocks
    std::int64_t rows = 0, depth = 0;
    const C *packed_rows = nullptr; ///< by pack_weights
    const C *planes = nullptr;
    const std::int32_t *offsets = nullptr;
    std::int64_t samples = 0, height = 0, width = 0; ///< the grid
    std::int64_t sample_stride = 0, pitch = 0;
    const C *bias = nullptr; ///< null, or one per row
    C *out = nullptr;        ///< element (row, sample, gy, gx) at the sum of these steps
    std::int64_t out_row = 0, out_sample = 0, out_y = 0, out_x = 1;
};

template <typename C> void multiply_window(const WindowProduct<C> &product);

/// Elements of packed weights [rows, depth].
[[nodiscard]] std::int64_t packed_weights(std::int64_t rows, std::int64_t depth);
/// Lays out weights for multiply_window: weight(row, k) = weights[row * row_stride + positions[k]].
template <typename C>
void pack_weights(const C *weights, std::int64_t rows, std::int64_t row_stride, const std::int64_t *positions,
                  std::int64_t depth, C *packed);

/// out[row, column] = chain over k of planes[row_offsets[row] + offsets[k]] * packed[k, column], where `packed` has
/// `columns` columns packed by pack_columns. `out` has panels_of(columns) * panel_width elements a row, all written.
template <typename C> struct TapProduct {
    Accumulation accumulation = Accumulation::fma_chain;
    DType stored = DType::fp32;
    std::int64_t rows = 0, columns = 0, depth = 0;
    const C *planes = nullptr;
    const std::int64_t *row_offsets = nullptr;
    const std::int32_t *offsets = nullptr;
    const C *packed = nullptr;
    C *out = nullptr;
};

template <typename C> void multiply_taps(const TapProduct<C> &product);

} // namespace halfscope::ops
