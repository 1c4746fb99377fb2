// Rows of a product whose accumulation takes k in blocks (accumulation_model.h), per SIMD level.
#include "emulation/ops/matmul/accumulation_model.h"
#include "emulation/ops/matmul/register_tile-inl.h"

#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#if defined(HALFSCOPE_BLOCK_TILE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFSCOPE_BLOCK_TILE_INL_H
#undef HALFSCOPE_BLOCK_TILE_INL_H
#else
#define HALFSCOPE_BLOCK_TILE_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Blocks never straddle stretches of k, and a stretch filled up to whole blocks fits a packed row.
static_assert(depth_block % 16 == 0 && row_pitch >= depth_block);

HWY_INLINE std::size_t whole_blocks(const BlockModel &model, std::size_t depth) {
    return (depth + model.block - 1) / model.block * model.block;
}

/// What the unit reads of a packed operand, in place: tf32 is cut, VDPBF16PS takes subnormals for zeros.
HWY_INLINE void read_as_operand(const BlockModel &model, float *values, std::size_t count) {
    if (model.operands == number::FormatId::tf32)
        for (std::size_t i = 0; i < count; ++i) {
            const auto bits = std::bit_cast<std::uint32_t>(values[i]);
            values[i] = std::isnan(values[i]) ? values[i] : std::bit_cast<float>(bits & 0xFFFFE000u);
        }
}

/// A stretch of packed rows made ready for run_block_rows.
inline void prepare_rows(const BlockModel &model, std::size_t rows, std::size_t depth, float *packed) {
    const std::size_t filled = whole_blocks(model, depth);
    for (std::size_t row = 0; row < rows; ++row, packed += row_pitch) {
        std::fill(packed + depth, packed + filled, 0.0F);
        read_as_operand(model, packed, depth);
    }
}

/// A stretch of a packed panel made ready for run_block_rows.
class PreparedPanel {
  public:
    /// `panel` must outlive this.
    void prepare(const BlockModel &model, std::size_t depth, const float *panel) {
        const std::size_t filled = whole_blocks(model, depth);
        values_ = panel;
        if (filled == depth && model.operands != number::FormatId::tf32) return;
        std::copy_n(panel, depth * tile_columns<float>, copy_);
        std::fill(copy_ + depth * tile_columns<float>, copy_ + filled * tile_columns<float>, 0.0F);
        read_as_operand(model, copy_, depth * tile_columns<float>);
        values_ = copy_;
    }
    const float *values() const { return values_; }

  private:
    const float *values_ = nullptr;
    HWY_ALIGN float copy_[depth_block * tile_columns<float>];
};

/// `rows` rows times one panel over `depth` values of k, accumulated onto +0, or onto out's values when `resume`.
HWY_NOINLINE void run_block_rows(const BlockModel &model, std::size_t rows, std::size_t depth, const float *a,
                                 const PreparedPanel &b, float *HWY_RESTRICT out, std::size_t stride, bool resume) {
    for (std::size_t row = 0; row < rows; ++row, a += row_pitch, out += stride) {
        if (!resume) std::fill_n(out, tile_columns<float>, 0.0F);
        for (std::size_t k = 0; k < depth; k += model.block)
            for (std::size_t j = 0; j < tile_columns<float>; ++j)
                out[j] = fused_block(model, a + k, b.values() + k * tile_columns<float> + j, tile_columns<float>,
                                     model.block, out[j]);
    }
}

} // namespace halfscope::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
