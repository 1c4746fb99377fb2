// Accumulations that take k in blocks, as matrix units and VDPBF16PS do: which operands they take, and one block.
//
// The loop over k (operation.h): blocks of `block` products in ascending k, each one fused add onto the accumulator;
// the last block is filled up with zero products.
#pragma once

#include "emulation/number/tensor_core.h"
#include "emulation/ops/operation.h"

#include <cstddef>
#include <string>

namespace halfscope::ops {

/// A block accumulation for operands of one format.
struct BlockModel {
    const number::TensorCore *core = nullptr;           ///< null: cpu_avx512bf16
    number::FormatId operands = number::FormatId::fp16; ///< fp16, bf16 or tf32
    bool fp16_accumulator = false;
    std::size_t block = 0; ///< products of one fused add
};

/// False for the fma chains.
[[nodiscard]] bool takes_blocks(Accumulation model);

/// The format the accumulator is kept in between steps; fp32 stands for C.
[[nodiscard]] DType accumulator_of(Accumulation model);

/// "" when products of operands stored so can be accumulated by `model`, else the reason: "accumulation 'volta' takes
/// fp16 operands, got bf16". fp32 operands are read as tf32: their low 13 bits are cut off (a NaN stays one).
[[nodiscard]] std::string refusal(Accumulation model, DType a, DType b);

/// Of a model that takes blocks, for operands it does not refuse.
[[nodiscard]] BlockModel block_model(Accumulation model, DType operands);

/// One block by the scalar reference (number/tensor_core.h, number/cpu_dot_product.h): c + sum of a[k] * b[k * pitch],
/// k < count <= model.block. Operands are values of model.operands, c and the result of the accumulator's format, all
/// widened to fp32.
[[nodiscard]] float fused_block(const BlockModel &model, const float *a, const float *b, std::size_t pitch,
                                std::size_t count, float c);

} // namespace halfscope::ops
