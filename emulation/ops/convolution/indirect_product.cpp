#include "emulation/number/simd_targets.h"

#include "emulation/ops/convolution/indirect_product.h"
#include "emulation/ops/scratch.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulation/ops/convolution/indirect_product.cpp"
#include <hwy/foreach_target.h>

#include "emulation/ops/matmul/block_tile-inl.h"
#include "emulation/ops/matmul/register_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::HWY_NAMESPACE {

std::int64_t packed_rows_size(std::int64_t rows, std::int64_t depth) {
    const auto block = static_cast<std::int64_t>(depth_block);
    return std::max<std::int64_t>(1, (depth + block - 1) / block) * rows * static_cast<std::int64_t>(row_pitch);
}

/// Tiles whose pixels are worked on together, so that a stretch of packed weights is read once for all of them.
inline constexpr std::size_t block_tiles = 8;

/// Where the pixels of a block come from and go to. Direct: each vector is a run of neighbours in one grid row.
/// Gathered: each pixel stands alone, for grids too narrow to fill vectors; the block's columns are packed first.
template <typename C> class PixelBlock {
  public:
    static constexpr std::size_t vectors = 2 * block_tiles;
    static constexpr std::size_t pixels = vectors * lane_count<C>;

    PixelBlock(const WindowProduct<C> &product, bool direct) : p_(product), direct_(direct) {
        const std::int64_t n = static_cast<std::int64_t>(lane_count<C>);
        runs_per_row_ = direct ? (p_.width + n - 1) / n : p_.width;
    }
    [[nodiscard]] std::int64_t runs() const { return p_.samples * p_.height * runs_per_row_; }
    [[nodiscard]] static constexpr std::size_t runs_per_block(bool direct) { return direct ? vectors : pixels; }

    /// Takes runs [first, first + used). The rest of the block repeats the first run; its results are dropped.
    void place(std::int64_t first, std::size_t used) {
        used_ = used;
        const std::int64_t n = direct_ ? static_cast<std::int64_t>(lane_count<C>) : 1;
        for (std::size_t i = 0; i < runs_per_block(direct_); ++i) {
            const std::int64_t run = first + static_cast<std::int64_t>(i < used ? i : 0);
            const std::int64_t gx = run % runs_per_row_ * n, row = run / runs_per_row_;
            const std::int64_t gy = row % p_.height, sample = row / p_.height;
            from_[i] = p_.planes + sample * p_.sample_stride + gy * p_.pitch + gx;
            to_[i] = p_.out + sample * p_.out_sample + gy * p_.out_y + gx * p_.out_x;
            length_[i] = static_cast<std::size_t>(std::min(n, p_.width - gx));
        }
    }
    [[nodiscard]] std::size_t tiles() const {
        const std::size_t used_pixels = direct_ ? used_ * lane_count<C> : used_;
        return (used_pixels + tile_columns<C> - 1) / tile_columns<C>;
    }
    [[nodiscard]] IndirectPanel<C> direct_panel(std::size_t tile, const std::int32_t *offsets) const {
        return {{from_[2 * tile], from_[2 * tile + 1]}, offsets};
    }
    /// Columns of the block for `depth` values of k.
    void gather(const std::int32_t *offsets, std::size_t depth, C *packed) const {
        if (direct_) return copy_runs(offsets, depth, packed);
        for (std::size_t tile = 0; tile < tiles(); ++tile) {
            const C *const *from = from_ + tile * tile_columns<C>;
            for (std::size_t k = 0; k < depth; ++k)
                for (std::size_t j = 0; j < tile_columns<C>; ++j) *packed++ = from[j][offsets[k]];
        }
    }
    void leave(const C *results) const {
        for (std::int64_t row = 0; row < p_.rows; ++row) {
            const C *values = results + static_cast<std::size_t>(row) * pixels;
            const C addend = p_.bias ? p_.bias[row] : C(0);
            for (std::size_t i = 0; i < used_; ++i) {
                const C *run = direct_ ? values + i * lane_count<C> : values + i;
                C *to = to_[i] + row * p_.out_row;
                for (std::size_t j = 0; j < length_[i]; ++j)
                    to[static_cast<std::int64_t>(j) * p_.out_x] = p_.bias ? run[j] + addend : run[j];
            }
        }
    }

  private:
    void copy_runs(const std::int32_t *offsets, std::size_t depth, C *packed) const {
        const Lanes<C> d;
        for (std::size_t tile = 0; tile < tiles(); ++tile)
            for (std::size_t k = 0; k < depth; ++k)
                for (std::size_t v = 0; v < 2; ++v, packed += lane_count<C>)
                    hn::Store(hn::LoadU(d, from_[2 * tile + v] + offsets[k]), d, packed);
    }

    const WindowProduct<C> &p_;
    bool direct_;
    std::int64_t runs_per_row_;
    std::size_t used_ = 0;
    const C *from_[pixels];
    C *to_[pixels];
    std::size_t length_[pixels];
};

template <typename Step, typename C> void window(const WindowProduct<C> &p) {
    // Vectors cut at row ends waste lanes; gathering costs about one load a lane and k, shared by all rows.
    const auto n = static_cast<std::int64_t>(lane_count<C>);
    const std::int64_t spanned = (p.width + n - 1) / n * n;
    const bool direct = 5 * p.width >= 4 * spanned || p.rows < 16;
    PixelBlock<C> block(p, direct);
    constexpr std::size_t stride = PixelBlock<C>::pixels;
    const auto rows = static_cast<std::size_t>(p.rows), depth = static_cast<std::size_t>(p.depth);
    C *results = scratch<C>(Scratch::partial, rows * stride);
    C *gathered = direct ? nullptr : scratch<C>(Scratch::operand_b, depth_block * stride);
    const std::size_t per_block = PixelBlock<C>::runs_per_block(direct);
    for (std::int64_t first = 0; first < block.runs(); first += static_cast<std::int64_t>(per_block)) {
        block.place(first, std::min(per_block, static_cast<std::size_t>(block.runs() - first)));
        std::size_t k0 = 0;
        do { // once even when depth is 0: the empty chain is +0
            const std::size_t stretch = std::min(depth_block, depth - k0);
            const C *weights = p.packed_rows + k0 / depth_block * rows * row_pitch;
            if (!direct) block.gather(p.offsets + k0, stretch, gathered);
            for (std::size_t row = 0; row < rows; row += rows_taken<Step, C>(rows - row)) {
                const PackedRows<C> a{weights + row * row_pitch};
                for (std::size_t tile = 0; tile < block.tiles(); ++tile) {
                    C *to = results + row * stride + tile * tile_columns<C>;
                    if (direct)
                        run_rows<Step, C>(rows - row, stretch, a, block.direct_panel(tile, p.offsets + k0), to, stride,
                                          k0 > 0);
                    else
                        run_rows<Step, C>(rows - row, stretch, a,
                                          PackedPanel<C>{gathered + tile * stretch * tile_columns<C>}, to, stride,
                                          k0 > 0);
                }
            }
            k0 += stretch;
        } while (k0 < depth);
        block.leave(results);
    }
}

/// The same with accumulations that take k in blocks: the block's columns are always packed.
void window_blocks(const WindowProduct<float> &p) {
    const auto n = static_cast<std::int64_t>(lane_count<float>);
    const bool direct = 5 * p.width >= 4 * ((p.width + n - 1) / n * n);
    const BlockModel model = block_model(p.accumulation, p.stored);
    PixelBlock<float> block(p, direct);
    PreparedPanel panel;
    constexpr std::size_t stride = PixelBlock<float>::pixels;
    const auto rows = static_cast<std::size_t>(p.rows), depth = static_cast<std::size_t>(p.depth);
    // Stretches of weights, each prepared.
    const std::size_t stretches = std::max<std::size_t>(1, (depth + depth_block - 1) / depth_block);
    float *weights = scratch<float>(Scratch::operand_a, stretches * prepared_rows_size(rows));
    for (std::size_t i = 0; i < stretches; ++i) {
        float *to = weights + i * prepared_rows_size(rows);
        std::copy_n(p.packed_rows + i * rows * row_pitch, rows * row_pitch, to);
        prepare_rows(model, rows, std::min(depth_block, depth - i * depth_block), to);
    }
    float *results = scratch<float>(Scratch::partial, rows * stride);
    float *gathered = scratch<float>(Scratch::operand_b, depth_block * stride);
    const std::size_t per_block = PixelBlock<float>::runs_per_block(direct);
    for (std::int64_t first = 0; first < block.runs(); first += static_cast<std::int64_t>(per_block)) {
        block.place(first, std::min(per_block, static_cast<std::size_t>(block.runs() - first)));
        std::size_t k0 = 0;
        do { // once even when depth is 0: the empty sum is +0
            const std::size_t stretch = std::min(depth_block, depth - k0);
            const float *a = weights + k0 / depth_block * prepared_rows_size(rows);
            block.gather(p.offsets + k0, stretch, gathered);
            for (std::size_t tile = 0; tile < block.tiles(); ++tile) {
                panel.prepare(model, stretch, gathered + tile * stretch * tile_columns<float>);
                run_block_rows(model, rows, stretch, a, row_exponents(a, rows), panel,
                               results + tile * tile_columns<float>, stride, k0 > 0);
            }
            k0 += stretch;
        } while (k0 < depth);
        block.leave(results);
    }
}

template <typename Step, typename C> void taps(const TapProduct<C> &p) {
    const auto rows = static_cast<std::size_t>(p.rows), depth = static_cast<std::size_t>(p.depth);
    const std::size_t panels = (static_cast<std::size_t>(p.columns) + tile_columns<C> - 1) / tile_columns<C>;
    const std::size_t stride = panels * tile_columns<C>;
    const C *row_pointers[tile_rows];
    for (std::size_t k0 = 0; k0 < depth; k0 += depth_block) {
        const std::size_t stretch = std::min(depth_block, depth - k0);
        for (std::size_t panel = 0; panel < panels; ++panel) {
            const PackedPanel<C> b{p.packed + (panel * depth + k0) * tile_columns<C>};
            for (std::size_t row = 0; row < rows; row += rows_taken<Step, C>(rows - row)) {
                for (std::size_t r = 0; r < rows_taken<Step, C>(rows - row); ++r)
                    row_pointers[r] = p.planes + p.row_offsets[row + r];
                run_rows<Step, C>(rows - row, stretch, IndirectRows<C>{row_pointers, p.offsets + k0}, b,
                                  p.out + row * stride + panel * tile_columns<C>, stride, k0 > 0);
            }
        }
    }
}

void taps_blocks(const TapProduct<float> &p) {
    const BlockModel model = block_model(p.accumulation, p.stored);
    PreparedPanel panel;
    const auto rows = static_cast<std::size_t>(p.rows), depth = static_cast<std::size_t>(p.depth);
    const std::size_t panels = (static_cast<std::size_t>(p.columns) + tile_columns<float> - 1) / tile_columns<float>;
    const std::size_t stride = panels * tile_columns<float>;
    float *gathered = scratch<float>(Scratch::operand_a, prepared_rows_size(rows));
    for (std::size_t k0 = 0; k0 < depth; k0 += depth_block) {
        const std::size_t stretch = std::min(depth_block, depth - k0);
        for (std::size_t row = 0; row < rows; ++row)
            for (std::size_t k = 0; k < stretch; ++k)
                gathered[row * row_pitch + k] = p.planes[p.row_offsets[row] + p.offsets[k0 + k]];
        prepare_rows(model, rows, stretch, gathered);
        for (std::size_t index = 0; index < panels; ++index) {
            panel.prepare(model, stretch, p.packed + (index * depth + k0) * tile_columns<float>);
            run_block_rows(model, rows, stretch, gathered, row_exponents(gathered, rows), panel,
                           p.out + index * tile_columns<float>, stride, k0 > 0);
        }
    }
}

void window_float(const WindowProduct<float> &p) {
    if (takes_blocks(p.accumulation)) return window_blocks(p);
    switch (p.accumulation) {
    case Accumulation::fp16_fma_chain: return window<RoundedFmaStep<number::FormatId::fp16>>(p);
    case Accumulation::bf16_fma_chain: return window<RoundedFmaStep<number::FormatId::bf16>>(p);
    default: return window<FmaStep>(p);
    }
}
void window_double(const WindowProduct<double> &p) { window<FmaStep>(p); }

void taps_float(const TapProduct<float> &p) {
    if (takes_blocks(p.accumulation)) return taps_blocks(p);
    switch (p.accumulation) {
    case Accumulation::fp16_fma_chain: return taps<RoundedFmaStep<number::FormatId::fp16>>(p);
    case Accumulation::bf16_fma_chain: return taps<RoundedFmaStep<number::FormatId::bf16>>(p);
    default: return taps<FmaStep>(p);
    }
}
void taps_double(const TapProduct<double> &p) { taps<FmaStep>(p); }

template <typename C>
void pack_rows_at(const C *weights, std::int64_t rows, std::int64_t row_stride, const std::int64_t *positions,
                  std::int64_t depth, C *packed) {
    const auto block = static_cast<std::int64_t>(depth_block);
    for (std::int64_t k0 = 0; k0 < depth; k0 += block)
        for (std::int64_t row = 0; row < rows; ++row, packed += row_pitch)
            for (std::int64_t k = k0; k < std::min(depth, k0 + block); ++k)
                packed[k - k0] = weights[row * row_stride + positions[k]];
}
void pack_rows_float(const float *weights, std::int64_t rows, std::int64_t row_stride, const std::int64_t *positions,
                     std::int64_t depth, float *packed) {
    pack_rows_at(weights, rows, row_stride, positions, depth, packed);
}
void pack_rows_double(const double *weights, std::int64_t rows, std::int64_t row_stride, const std::int64_t *positions,
                      std::int64_t depth, double *packed) {
    pack_rows_at(weights, rows, row_stride, positions, depth, packed);
}

} // namespace halfscope::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halfscope::ops {
HWY_EXPORT(window_float);
HWY_EXPORT(window_double);
HWY_EXPORT(taps_float);
HWY_EXPORT(taps_double);
HWY_EXPORT(packed_rows_size);
HWY_EXPORT(pack_rows_float);
HWY_EXPORT(pack_rows_double);

template <> void multiply_window(const WindowProduct<float> &p) { HWY_DYNAMIC_DISPATCH(window_float)(p); }
template <> void multiply_window(const WindowProduct<double> &p) { HWY_DYNAMIC_DISPATCH(window_double)(p); }
template <> void multiply_taps(const TapProduct<float> &p) { HWY_DYNAMIC_DISPATCH(taps_float)(p); }
template <> void multiply_taps(const TapProduct<double> &p) { HWY_DYNAMIC_DISPATCH(taps_double)(p); }
std::int64_t packed_weights(std::int64_t rows, std::int64_t depth) {
    return HWY_DYNAMIC_DISPATCH(packed_rows_size)(rows, depth);
}
template <>
void pack_weights(const float *weights, std::int64_t rows, std::int64_t row_stride, const std::int64_t *positions,
                  std::int64_t depth, float *packed) {
    HWY_DYNAMIC_DISPATCH(pack_rows_float)(weights, rows, row_stride, positions, depth, packed);
}
template <>
void pack_weights(const double *weights, std::int64_t rows, std::int64_t row_stride, const std::int64_t *positions,
                  std::int64_t depth, double *packed) {
    HWY_DYNAMIC_DISPATCH(pack_rows_double)(weights, rows, row_stride, positions, depth, packed);
}

} // namespace halfscope::ops
#endif
