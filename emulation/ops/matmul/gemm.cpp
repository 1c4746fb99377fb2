#include "emulation/number/simd_targets.h"

#include "emulation/ops/matmul/gemm.h"
#include "emulation/ops/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulation/ops/matmul/gemm.cpp"
#include <hwy/foreach_target.h>

#include "emulation/ops/matmul/block_tile-inl.h"
#include "emulation/ops/matmul/load_wide-inl.h"
#include "emulation/ops/matmul/register_tile-inl.h"

#include <algorithm>
#include <stdexcept>

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::HWY_NAMESPACE {

template <typename C> std::int64_t width() { return static_cast<std::int64_t>(tile_columns<C>); }

template <typename C, typename Stored>
void pack_panels(const StoredMatrix &b, std::size_t depth, std::size_t columns, std::size_t first_panel,
                 std::size_t last_panel, C *packed) {
    constexpr std::size_t panel = tile_columns<C>;
    const auto *from = static_cast<const Stored *>(b.data);
    for (std::size_t p = first_panel; p < last_panel; ++p) {
        C *to = packed + p * panel * depth;
        const std::size_t first = p * panel, used = std::min(panel, columns - first);
        if (used < panel) std::fill(to, to + panel * depth, C(0));
        if (b.column_stride == 1) {
            const auto pitch = static_cast<std::size_t>(b.row_stride);
            for (std::size_t k = 0; k < depth; ++k) widen_run(from + k * pitch + first, used, to + k * panel);
        } else {
            const auto pitch = static_cast<std::size_t>(b.column_stride);
            transpose_run(from + first * pitch, pitch, used, depth, to, panel);
        }
    }
}

/// Rows [first, first + rows) and k [k0, k0 + depth) of a, at row_pitch.
template <typename C, typename Stored>
void pack_rows(const StoredMatrix &a, std::size_t first, std::size_t rows, std::size_t k0, std::size_t depth, C *to) {
    const auto *from = static_cast<const Stored *>(a.data);
    if (a.column_stride == 1) {
        const auto pitch = static_cast<std::size_t>(a.row_stride);
        for (std::size_t r = 0; r < rows; ++r) widen_run(from + (first + r) * pitch + k0, depth, to + r * row_pitch);
    } else {
        const auto pitch = static_cast<std::size_t>(a.column_stride);
        transpose_run(from + k0 * pitch + first, pitch, depth, rows, to, row_pitch);
    }
}

template <typename C>
using PackPanels = void (*)(const StoredMatrix &, std::size_t, std::size_t, std::size_t, std::size_t, C *);
template <typename C>
using PackRows = void (*)(const StoredMatrix &, std::size_t, std::size_t, std::size_t, std::size_t, C *);

template <typename C> PackPanels<C> panel_packer(DType dtype) {
    switch (dtype) {
    case DType::fp16: return pack_panels<C, StoredFp16>;
    case DType::bf16: return pack_panels<C, StoredBf16>;
    case DType::fp32: return pack_panels<C, float>;
    default: return pack_panels<C, double>;
    }
}
template <typename C> PackRows<C> row_packer(DType dtype) {
    switch (dtype) {
    case DType::fp16: return pack_rows<C, StoredFp16>;
    case DType::bf16: return pack_rows<C, StoredBf16>;
    case DType::fp32: return pack_rows<C, float>;
    default: return pack_rows<C, double>;
    }
}

/// Tiles below each other, of `rows` rows in all. Meanwhile the panel needed next, `next`, comes closer: a column of
/// tiles takes as long as fetching it.
template <typename Step, typename C>
HWY_INLINE void run_column(std::size_t rows, std::size_t depth, const C *a, const C *b, const C *next, C *out,
                           std::size_t stride, bool resume) {
    const std::size_t panel_bytes = depth * tile_columns<C> * sizeof(C);
    const std::size_t bytes_a_row = (panel_bytes / 64 / rows + 1) * 64;
    for (std::size_t row = 0; row < rows;) {
        const std::size_t taken = rows_taken<Step, C>(rows - row);
        const std::size_t end = std::min(panel_bytes, (row + taken) * bytes_a_row);
        for (std::size_t at = row * bytes_a_row; next && at < end; at += 64)
            __builtin_prefetch(reinterpret_cast<const char *>(next) + at, 0, 2);
        run_rows<Step, C>(rows - row, depth, PackedRows<C>{a + row * row_pitch}, PackedPanel<C>{b}, out + row * stride,
                          stride, resume);
        row += taken;
    }
}

/// The loops around tiles. `tiles` packs rows of a for a stretch of k, takes a panel, and runs a column of tiles
/// below each other, from the packed row `first` on.
template <typename C, typename Tiles>
HWY_INLINE void multiply(Tiles &tiles, std::size_t rows, std::size_t depth, const C *packed, std::size_t columns,
                         std::size_t first_panel, std::size_t last_panel, C *out, std::size_t stride, bool onto) {
    constexpr std::size_t panel = tile_columns<C>;
    constexpr std::size_t row_block = 32 * tile_rows; // packed, half of a second-level cache of 512 KiB
    C *packed_rows = scratch<C>(Scratch::rows, Tiles::packed_size(row_block));
    HWY_ALIGN C edge[tile_rows * panel];
    for (std::size_t first_row = 0; first_row < rows; first_row += row_block) {
        const std::size_t block_rows = std::min(row_block, rows - first_row);
        std::size_t k0 = 0;
        do { // once even when depth is 0: the empty chain is +0
            const std::size_t stretch = std::min(depth_block, depth - k0);
            const bool resume = onto || k0 > 0;
            tiles.pack(first_row, block_rows, k0, stretch, packed_rows);
            for (std::size_t p = first_panel; p < last_panel; ++p) {
                const C *b = packed + p * panel * depth + k0 * panel;
                const std::size_t first_column = p * panel, used = std::min(panel, columns - first_column);
                C *corner = out + first_row * stride + first_column;
                tiles.take_panel(stretch, b);
                if (used == panel) {
                    const C *next = p + 1 < last_panel ? b + panel * depth : nullptr;
                    tiles.run_column(0, block_rows, stretch, next, corner, stride, resume);
                    continue;
                }
                for (std::size_t r0 = 0; r0 < block_rows; r0 += tile_rows) {
                    const std::size_t edge_rows = std::min(tile_rows, block_rows - r0);
                    C *to = corner + r0 * stride;
                    std::fill_n(edge, tile_rows * panel, C(0));
                    if (resume)
                        for (std::size_t r = 0; r < edge_rows; ++r)
                            std::copy_n(to + r * stride, used, edge + r * panel);
                    tiles.run_column(r0, edge_rows, stretch, nullptr, edge, panel, resume);
                    for (std::size_t r = 0; r < edge_rows; ++r) std::copy_n(edge + r * panel, used, to + r * stride);
                }
            }
            k0 += stretch;
        } while (k0 < depth);
    }
}

/// Tiles of fma chains.
template <typename Step, typename C> class ChainTiles {
  public:
    explicit ChainTiles(const StoredMatrix &a) : a_(a), pack_(row_packer<C>(a.dtype)) {}
    HWY_INLINE void pack(std::size_t first, std::size_t rows, std::size_t k0, std::size_t depth, C *to) {
        pack_(a_, first, rows, k0, depth, to);
        rows_ = to;
    }
    static constexpr std::size_t packed_size(std::size_t rows) { return rows * row_pitch; }
    HWY_INLINE void take_panel(std::size_t, const C *b) { b_ = b; }
    HWY_INLINE void run_column(std::size_t first, std::size_t rows, std::size_t depth, const C *next, C *out,
                               std::size_t stride, bool resume) {
        HWY_NAMESPACE::run_column<Step, C>(rows, depth, rows_ + first * row_pitch, b_, next, out, stride, resume);
    }

  private:
    const StoredMatrix &a_;
    PackRows<C> pack_;
    const C *rows_ = nullptr, *b_ = nullptr;
};

/// Rows of fused blocks.
class BlockTiles {
  public:
    BlockTiles(Accumulation accumulation, const StoredMatrix &a)
        : a_(a), pack_(row_packer<float>(a.dtype)), model_(block_model(accumulation, a.dtype)) {}
    static constexpr std::size_t packed_size(std::size_t rows) { return prepared_rows_size(rows); }
    void pack(std::size_t first, std::size_t rows, std::size_t k0, std::size_t depth, float *to) {
        pack_(a_, first, rows, k0, depth, to);
        prepare_rows(model_, rows, depth, to);
        rows_ = to;
        exponents_ = row_exponents(to, rows);
    }
    void take_panel(std::size_t depth, const float *b) { panel_.prepare(model_, depth, b); }
    void run_column(std::size_t first, std::size_t rows, std::size_t depth, const float *, float *out,
                    std::size_t stride, bool resume) {
        const std::size_t at = first * row_pitch;
        run_block_rows(model_, rows, depth, rows_ + at, exponents_ + at, panel_, out, stride, resume);
    }

  private:
    const StoredMatrix &a_;
    PackRows<float> pack_;
    BlockModel model_;
    const float *rows_ = nullptr;
    const std::int32_t *exponents_ = nullptr;
    PreparedPanel panel_;
};

template <typename Step, typename C>
void multiply_chains(const StoredMatrix &a, std::size_t rows, std::size_t depth, const C *packed, std::size_t columns,
                     std::size_t first, std::size_t last, C *out, std::size_t stride, bool onto) {
    ChainTiles<Step, C> tiles(a);
    multiply(tiles, rows, depth, packed, columns, first, last, out, stride, onto);
}

std::int64_t width_float() { return width<float>(); }
std::int64_t width_double() { return width<double>(); }

void pack_float(const StoredMatrix &b, std::size_t depth, std::size_t columns, std::size_t first, std::size_t last,
                float *packed) {
    panel_packer<float>(b.dtype)(b, depth, columns, first, last, packed);
}
void pack_double(const StoredMatrix &b, std::size_t depth, std::size_t columns, std::size_t first, std::size_t last,
                 double *packed) {
    panel_packer<double>(b.dtype)(b, depth, columns, first, last, packed);
}
void multiply_float(Accumulation accumulation, const StoredMatrix &a, std::size_t rows, std::size_t depth,
                    const float *packed, std::size_t columns, std::size_t first, std::size_t last, float *out,
                    std::size_t stride, bool onto) {
    if (takes_blocks(accumulation)) {
        BlockTiles tiles(accumulation, a);
        return multiply(tiles, rows, depth, packed, columns, first, last, out, stride, onto);
    }
    switch (accumulation) {
    case Accumulation::fp16_fma_chain:
        return multiply_chains<RoundedFmaStep<number::FormatId::fp16>>(a, rows, depth, packed, columns, first, last,
                                                                       out, stride, onto);
    case Accumulation::bf16_fma_chain:
        return multiply_chains<RoundedFmaStep<number::FormatId::bf16>>(a, rows, depth, packed, columns, first, last,
                                                                       out, stride, onto);
    default: return multiply_chains<FmaStep>(a, rows, depth, packed, columns, first, last, out, stride, onto);
    }
}
void multiply_double(Accumulation, const StoredMatrix &a, std::size_t rows, std::size_t depth, const double *packed,
                     std::size_t columns, std::size_t first, std::size_t last, double *out, std::size_t stride,
                     bool onto) {
    multiply_chains<FmaStep>(a, rows, depth, packed, columns, first, last, out, stride, onto);
}

} // namespace halfscope::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halfscope::ops {
HWY_EXPORT(width_float);
HWY_EXPORT(width_double);
HWY_EXPORT(pack_float);
HWY_EXPORT(pack_double);
HWY_EXPORT(multiply_float);
HWY_EXPORT(multiply_double);

namespace {
std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
} // namespace

template <> std::int64_t panel_width<float>() { return HWY_DYNAMIC_DISPATCH(width_float)(); }
template <> std::int64_t panel_width<double>() { return HWY_DYNAMIC_DISPATCH(width_double)(); }

template <>
void pack_columns(const StoredMatrix &b, std::int64_t depth, std::int64_t columns, std::int64_t first_panel,
                  std::int64_t last_panel, float *packed) {
    HWY_DYNAMIC_DISPATCH(pack_float)(b, size(depth), size(columns), size(first_panel), size(last_panel), packed);
}
template <>
void pack_columns(const StoredMatrix &b, std::int64_t depth, std::int64_t columns, std::int64_t first_panel,
                  std::int64_t last_panel, double *packed) {
    HWY_DYNAMIC_DISPATCH(pack_double)(b, size(depth), size(columns), size(first_panel), size(last_panel), packed);
}
template <>
void multiply_packed(Accumulation accumulation, const StoredMatrix &a, std::int64_t rows, std::int64_t depth,
                     const float *packed, std::int64_t columns, std::int64_t first_panel, std::int64_t last_panel,
                     float *out, std::int64_t stride, bool onto) {
    HWY_DYNAMIC_DISPATCH(multiply_float)
    (accumulation, a, size(rows), size(depth), packed, size(columns), size(first_panel), size(last_panel), out,
     size(stride), onto);
}
template <>
void multiply_packed(Accumulation accumulation, const StoredMatrix &a, std::int64_t rows, std::int64_t depth,
                     const double *packed, std::int64_t columns, std::int64_t first_panel, std::int64_t last_panel,
                     double *out, std::int64_t stride, bool onto) {
    HWY_DYNAMIC_DISPATCH(multiply_double)
    (accumulation, a, size(rows), size(depth), packed, size(columns), size(first_panel), size(last_panel), out,
     size(stride), onto);
}

} // namespace halfscope::ops
#endif
