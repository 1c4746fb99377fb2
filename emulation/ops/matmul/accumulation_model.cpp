#include "emulation/ops/matmul/accumulation_model.h"

#include "emulation/number/cpu_dot_product.h"
#include "emulation/number/round_array.h"

#include <array>
#include <bit>
#include <cmath>

namespace halfscope::ops {
namespace {

using number::FormatId;

/// The row of a tensor-core model; null for the others.
const number::TensorCore *core_of(Accumulation model) {
    const auto index = static_cast<int>(model), first = static_cast<int>(Accumulation::volta),
               narrow = static_cast<int>(Accumulation::volta_fp16acc);
    if (index < first || model == Accumulation::cpu_avx512bf16) return nullptr;
    return &number::tensor_cores[static_cast<std::size_t>(index >= narrow ? index - narrow : index - first)];
}
static_assert(static_cast<int>(Accumulation::volta_fp16acc) - static_cast<int>(Accumulation::volta) ==
              static_cast<int>(number::tensor_cores.size()));

bool accumulates_in_fp16(Accumulation model) {
    return model >= Accumulation::volta_fp16acc && model <= Accumulation::blackwell_fp16acc;
}

std::string operands_of(Accumulation model) {
    if (model == Accumulation::cpu_avx512bf16) return "bf16";
    if (accumulates_in_fp16(model) || !core_of(model)->bf16) return "fp16";
    return "fp16, bf16 or fp32 (read as tf32)";
}

bool takes(Accumulation model, DType dtype) {
    if (model == Accumulation::cpu_avx512bf16) return dtype == DType::bf16;
    if (dtype == DType::fp16) return true;
    if (accumulates_in_fp16(model)) return false;
    if (dtype == DType::bf16) return core_of(model)->bf16;
    return dtype == DType::fp32 && core_of(model)->block_tf32 > 0;
}

/// The encoding of a value of the operand format.
std::uint32_t encoded(float value, FormatId format) {
    if (format == FormatId::tf32) return std::bit_cast<std::uint32_t>(value);
    return number::round_to_16bit(value, format);
}

} // namespace

bool takes_blocks(Accumulation model) { return core_of(model) || model == Accumulation::cpu_avx512bf16; }

DType accumulator_of(Accumulation model) {
    if (accumulates_in_fp16(model) || model == Accumulation::fp16_fma_chain) return DType::fp16;
    return model == Accumulation::bf16_fma_chain ? DType::bf16 : DType::fp32;
}

std::string refusal(Accumulation model, DType a, DType b) {
    if (!takes_blocks(model)) return {};
    const std::string name = "accumulation '" + std::string(name_of(model)) + "' takes ";
    for (const DType dtype : {a, b})
        if (!takes(model, dtype)) return name + operands_of(model) + " operands, got " + std::string(name_of(dtype));
    if (a != b)
        return name + "operands of one format, got " + std::string(name_of(a)) + " and " + std::string(name_of(b));
    return {};
}

BlockModel block_model(Accumulation model, DType operands) {
    BlockModel result;
    result.core = core_of(model);
    result.fp16_accumulator = accumulates_in_fp16(model);
    result.operands = operands == DType::fp32 ? FormatId::tf32 : format_id(operands);
    result.block = 2;
    if (result.core)
        result.block = static_cast<std::size_t>(operands == DType::fp32 ? result.core->block_tf32 : result.core->block);
    return result;
}

float fused_block(const BlockModel &model, const float *a, const float *b, std::size_t pitch, std::size_t count,
                  float c) {
    std::array<std::uint32_t, 16> x{}, y{};
    for (std::size_t k = 0; k < count; ++k) {
        x[k] = encoded(a[k], model.operands);
        y[k] = encoded(b[k * pitch], model.operands);
    }
    if (!model.core) {
        const auto half = [](std::uint32_t bits) { return static_cast<std::uint16_t>(bits); };
        return std::bit_cast<float>(
            number::dot_pair_bf16(std::bit_cast<std::uint32_t>(c), half(x[0]), half(x[1]), half(y[0]), half(y[1])));
    }
    const number::Format &operands = number::format_of(model.operands);
    if (model.fp16_accumulator) {
        const auto sum =
            number::fused_dot_add(*model.core, operands, {x.data(), count}, {y.data(), count},
                                  number::format_of(FormatId::fp16), number::round_to_16bit(c, FormatId::fp16));
        return number::widen_16bit(static_cast<std::uint16_t>(sum), FormatId::fp16);
    }
    return std::bit_cast<float>(static_cast<std::uint32_t>(
        number::fused_dot_add(*model.core, operands, {x.data(), count}, {y.data(), count},
                              number::format_of(FormatId::fp32), std::bit_cast<std::uint32_t>(c))));
}

} // namespace halfscope::ops
